//! One call of a Comet session: what stands around the expression of a message.

use super::{Callback, Nonce, Origin, Prelude, SafeExpression, write_string};
use std::sync::Arc;

/// How the messages of one Comet session reach the page.
///
/// A message is [`write_open`](Self::write_open), the bytes of one [`SafeExpression`], and
/// [`write_close`](Self::write_close), so that an expression is made once and shared by all
/// sessions; [`write`](Self::write) and [`write_with`](Self::write_with) do the three in one.
#[derive(Clone, Debug)]
pub struct Call {
    /// Has the text of this call, and perhaps those of others.
    block: Arc<str>,
    start: u32,
    /// Callbacks, origins and nonces are short: there are many of these.
    len: u16,
    /// Length of the tag that the text begins with.
    tag: u8,
    target: Target,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Callback,
    Post,
}

impl Call {
    /// Messages are arguments of `callback`.
    pub fn new(callback: Callback) -> Self {
        Self::to(Target::Callback, None, &format!("{callback}("))
    }

    /// Messages are posted to the page of `origin` around the iframe, as `event.data.data`.
    pub fn post(origin: Origin) -> Self {
        Self::to(Target::Post, None, origin.as_str())
    }

    fn to(target: Target, nonce: Option<&Nonce>, whom: &str) -> Self {
        let tag = script_tag(nonce);
        let text = format!("{tag}{whom}");
        Self {
            start: 0,
            len: u16::try_from(text.len()).expect("callbacks and origins are short"),
            tag: u8::try_from(tag.len()).expect("nonces are short"),
            block: text.into(),
            target,
        }
    }

    /// The tag of every script element, and behind it what stands before each message, or the
    /// origin to post to.
    pub(crate) fn text(&self) -> &str {
        &self.block[self.start as usize..][..self.len.into()]
    }

    /// Has its text in `block`, if that has it from `start` on.
    pub(crate) fn move_text(&mut self, block: &Arc<str>, start: usize) {
        let same = block.get(start..start + self.text().len()) == Some(self.text());
        if let (true, Ok(start)) = (same, u32::try_from(start)) {
            self.start = start;
            self.block = block.clone();
        }
    }

    fn tag(&self) -> &str {
        &self.text()[..self.tag.into()]
    }

    /// What stands before a message of a callback; the origin to post to.
    fn whom(&self) -> &str {
        &self.text()[self.tag.into()..]
    }

    /// Gives every script element this nonce.
    ///
    /// Default: none.
    #[must_use]
    pub fn nonce(self, nonce: impl Into<Option<Nonce>>) -> Self {
        Self::to(self.target, nonce.into().as_ref(), self.whom())
    }

    /// Writes the prelude, whose script has the nonce of the messages.
    ///
    /// The page of another origin cannot look into the iframe: it gets the `position` as a message
    /// of its own, without data.
    pub fn write_prelude(&self, prelude: &Prelude, position: Option<&str>, out: &mut Vec<u8>) {
        prelude.write_in(self.tag(), position, out);
        if let (Target::Post, Some(position)) = (self.target, position) {
            out.extend_from_slice(self.tag().as_bytes());
            out.extend_from_slice(b"parent.postMessage({position:");
            write_string(position, out);
            write_post_close(self.whom(), out);
        }
    }

    /// Writes a call with the message alone, as Play does.
    pub fn write(&self, message: &SafeExpression, out: &mut Vec<u8>) {
        self.write_with(message, &Details::none(), out);
    }

    /// Writes a call with the message and what there is to say about it.
    pub fn write_with(&self, message: &SafeExpression, details: &Details<'_>, out: &mut Vec<u8>) {
        self.write_open(out);
        out.extend_from_slice(message.as_bytes());
        self.write_close(details, out);
    }

    /// Writes what stands before the message; only a [`SafeExpression`] may follow.
    pub fn write_open(&self, out: &mut Vec<u8>) {
        match self.target {
            Target::Callback => out.extend_from_slice(self.text().as_bytes()),
            Target::Post => {
                out.extend_from_slice(self.tag().as_bytes());
                out.extend_from_slice(b"parent.postMessage({data:");
            }
        }
    }

    /// Length of what stands before the message of a callback.
    pub(crate) fn open_len(&self) -> usize {
        self.text().len()
    }

    /// Writes what stands after the message.
    pub fn write_close(&self, details: &Details<'_>, out: &mut Vec<u8>) {
        match self.target {
            Target::Callback => write_callback_close(details, out),
            Target::Post => {
                if !details.is_empty() {
                    out.push(b',');
                    details.write(out);
                }
                write_post_close(self.whom(), out);
            }
        }
    }

    /// Whether what stands after a message is the same for every callback.
    pub(crate) fn is_callback(&self) -> bool {
        self.target == Target::Callback
    }

    /// Writes an empty script, which shows that the connection is alive and calls nothing.
    pub fn write_keep_alive(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.tag().as_bytes());
        out.extend_from_slice(b"</script>");
    }
}

/// Writes what stands after a message for a callback, whichever it is.
pub(crate) fn write_callback_close(details: &Details<'_>, out: &mut Vec<u8>) {
    if !details.is_empty() {
        out.extend_from_slice(b",{");
        details.write(out);
        out.push(b'}');
    }
    out.extend_from_slice(b");</script>");
}

fn write_post_close(origin: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"},\"");
    out.extend_from_slice(origin.as_bytes());
    out.extend_from_slice(b"\");</script>");
}

/// What opens a script element.
pub(super) fn script_tag(nonce: Option<&Nonce>) -> String {
    nonce.map_or_else(
        || "<script>".to_owned(),
        |nonce| format!("<script nonce=\"{}\">", nonce.as_str()),
    )
}

/// What a call says about its message: the second argument of a callback, or fields of a post.
#[derive(Clone, Debug, Default)]
pub struct Details<'a> {
    position: Option<&'a str>,
    base64: bool,
    gap: Option<&'a SafeExpression>,
}

impl<'a> Details<'a> {
    /// Nothing: a callback gets no second argument.
    pub fn none() -> Self {
        Self::default()
    }

    /// Where the session stands after this message.
    pub fn at(position: &'a str) -> Self {
        Self {
            position: Some(position),
            ..Self::default()
        }
    }

    /// The message is base64 of bytes.
    #[must_use]
    pub fn base64(mut self) -> Self {
        self.base64 = true;
        self
    }

    /// There is no message but a gap, which this object describes.
    #[must_use]
    pub fn gap(mut self, gap: &'a SafeExpression) -> Self {
        self.gap = Some(gap);
        self
    }

    fn is_empty(&self) -> bool {
        self.position.is_none() && !self.base64 && self.gap.is_none()
    }

    fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        if let Some(position) = self.position {
            out.extend_from_slice(b"position:");
            write_string(position, out);
        }
        if self.base64 {
            separate(start, out);
            out.extend_from_slice(b"base64:true");
        }
        if let Some(gap) = self.gap {
            separate(start, out);
            out.extend_from_slice(b"gap:");
            out.extend_from_slice(gap.as_bytes());
        }
    }
}

fn separate(start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn parent_call() -> Call {
        Call::new(Callback::new("parent.cometMessage").unwrap())
    }

    #[test]
    fn call_has_the_bytes_of_play() {
        let call = parent_call();
        let message = |text| written(|out| call.write(&SafeExpression::string(text), out));
        assert_eq!(
            message("kiki"),
            "<script>parent.cometMessage('kiki');</script>"
        );
        assert_eq!(message("kiki").len(), 0x2d);
        assert_eq!(message("foo").len(), 0x2c);
    }

    #[test]
    fn nonce_is_on_every_script() {
        let call = parent_call().nonce(Nonce::new("abc=").unwrap());
        assert_eq!(
            written(|out| call.write(&SafeExpression::undefined(), out)),
            "<script nonce=\"abc=\">parent.cometMessage(undefined);</script>"
        );
        assert_eq!(
            written(|out| call.write_keep_alive(out)),
            "<script nonce=\"abc=\"></script>"
        );
    }

    #[test]
    fn details_are_a_second_argument() {
        let bytes = Details::at("p-1_").base64();
        assert_eq!(
            written(|out| parent_call().write_with(&SafeExpression::string("YQ=="), &bytes, out)),
            "<script>parent.cometMessage('YQ==',{position:'p-1_',base64:true});</script>"
        );
        let gap = SafeExpression::json(r#"{"epoch":"e","from":null,"to":3}"#);
        let details = Details::at("p").gap(&gap);
        assert_eq!(
            written(|out| parent_call().write_with(&SafeExpression::undefined(), &details, out)),
            "<script>parent.cometMessage(undefined,\
             {position:'p',gap:{\"epoch\":\"e\",\"from\":null,\"to\":3}});</script>"
        );
    }

    #[test]
    fn page_of_another_origin_gets_message_and_details_in_one_object() {
        let call = Call::post(Origin::new("https://app.example").unwrap());
        assert_eq!(
            written(|out| call.write_with(&SafeExpression::string("kiki"), &Details::at("p"), out)),
            "<script>parent.postMessage({data:'kiki',position:'p'},\"https://app.example\");</script>"
        );
        assert_eq!(
            written(|out| call.write(&SafeExpression::string("kiki"), out)),
            "<script>parent.postMessage({data:'kiki'},\"https://app.example\");</script>"
        );
    }
}
