//! The first bytes of a Comet socket, before any message.

use bytes::Bytes;

use super::call::script_tag;
use super::{Nonce, write_string};

/// Spaces that make browsers show a page before it is complete, as many as Play sends.
const PADDING: usize = 5120;

/// Keeps the document from growing.
///
/// A script followed by another one has been parsed to its end and has run, so all but the last
/// may go, and with them the text and comments before the last. The last one may be half parsed:
/// the parser yields between two packets, and a script removed then never runs.
const TIDY: &[u8] = b"new MutationObserver(function(){\
var s=document.scripts,n=s.length?s[s.length-1].previousSibling:null,p;\
for(;n;n=p){p=n.previousSibling;if(n.nodeType!=1)n.remove()}\
while(s.length>1)s[0].remove()\
}).observe(document,{childList:true,subtree:true});";

/// What a Comet socket sends before its first message.
///
/// Default: 5,120 spaces, a script that removes the scripts that have run, and `<html><body>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prelude {
    padding: usize,
    before_script: Bytes,
    tidy: bool,
    after_script: Bytes,
}

impl Default for Prelude {
    fn default() -> Self {
        Self::play().tidy()
    }
}

impl Prelude {
    /// Exactly what Play sends: 5,120 spaces and `<html><body>`.
    ///
    /// Its document grows with every message.
    pub fn play() -> Self {
        Self {
            padding: PADDING,
            before_script: Bytes::new(),
            tidy: false,
            after_script: Bytes::from_static(b"<html><body>"),
        }
    }

    /// Nothing.
    pub fn none() -> Self {
        Self::custom(Bytes::new())
    }

    /// Markup of the application's own, as it is; it must leave the parser where a script may come.
    pub fn custom(markup: impl Into<Bytes>) -> Self {
        Self {
            padding: 0,
            before_script: markup.into(),
            tidy: false,
            after_script: Bytes::new(),
        }
    }

    /// Sends this many spaces first.
    ///
    /// Default: 5,120. Fewer save bytes where no browser or proxy waits for a full buffer.
    #[must_use]
    pub fn padding(mut self, spaces: usize) -> Self {
        self.padding = spaces;
        self
    }

    /// Adds the script that removes the scripts, text and comments of earlier messages.
    #[must_use]
    pub fn tidy(mut self) -> Self {
        self.tidy = true;
        self
    }

    /// Writes the prelude.
    ///
    /// With a `position` its script also sets `window.encke = {position}` on the iframe's window,
    /// where the page finds the place to recover from before the first message.
    pub fn write(&self, nonce: Option<&Nonce>, position: Option<&str>, out: &mut Vec<u8>) {
        self.write_in(&script_tag(nonce), position, out);
    }

    /// Writes it, its script in an element with this tag.
    pub(super) fn write_in(&self, tag: &str, position: Option<&str>, out: &mut Vec<u8>) {
        out.resize(out.len() + self.padding, b' ');
        out.extend_from_slice(&self.before_script);
        if self.tidy || position.is_some() {
            out.extend_from_slice(tag.as_bytes());
            if let Some(position) = position {
                out.extend_from_slice(b"window.encke={position:");
                write_string(position, out);
                out.extend_from_slice(b"};");
            }
            if self.tidy {
                out.extend_from_slice(TIDY);
            }
            out.extend_from_slice(b"</script>");
        }
        out.extend_from_slice(&self.after_script);
    }
}
