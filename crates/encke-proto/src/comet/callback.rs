//! The function a Comet message calls, checked once.

use std::fmt;

/// Bytes a callback may have.
const MAX_LENGTH: usize = 255;

/// Words JavaScript does not accept as a name, in strict code or outside it.
const RESERVED: &str = "await break case catch class const continue debugger default delete do \
    else enum export extends false finally for function if implements import in instanceof \
    interface let new null package private protected public return static super switch this throw \
    true try typeof var void while with yield";

/// Functions of a window that take text and run it, open it, or hand it to another page.
const RUNS_TEXT: [&str; 7] = [
    "eval",
    "Function",
    "setTimeout",
    "setInterval",
    "execScript",
    "open",
    "postMessage",
];

/// The JavaScript function a Comet message calls, such as `parent.cometMessage`.
///
/// Names of ASCII letters, digits, `_` and `$`, joined by dots, none of them a reserved word; at
/// most 255 bytes.
///
/// ```
/// use encke_proto::comet::Callback;
///
/// assert!(Callback::new("parent.cometMessage").is_ok());
/// assert!(Callback::new("alert(1)").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Callback(Box<str>);

impl Callback {
    /// Checks a callback the application chose.
    ///
    /// A callback that a client chose is code running in the page: use [`Callback::in_parent`].
    ///
    /// # Errors
    ///
    /// When `callback` is not made of JavaScript names joined by dots.
    pub fn new(callback: &str) -> Result<Self, InvalidCallback> {
        if callback.len() > MAX_LENGTH {
            return Err(InvalidCallback::TooLong {
                length: callback.len(),
            });
        }
        for name in callback.split('.') {
            if !is_name(name) {
                return Err(InvalidCallback::NotANamePath(callback.into()));
            }
            if RESERVED.split(' ').any(|word| word == name) {
                return Err(InvalidCallback::Reserved {
                    callback: callback.into(),
                    word: name.into(),
                });
            }
        }
        Ok(Self(callback.into()))
    }

    /// Checks a callback a client chose: `parent.` and one name that does not run what it is given.
    ///
    /// # Errors
    ///
    /// As [`Callback::new`], and for anything but one name in `parent`, and for `eval`,
    /// `Function`, `setTimeout`, `setInterval`, `execScript`, `open` and `postMessage` there.
    pub fn in_parent(callback: &str) -> Result<Self, InvalidCallback> {
        let checked = Self::new(callback)?;
        match callback.strip_prefix("parent.") {
            Some(name) if RUNS_TEXT.contains(&name) => {
                Err(InvalidCallback::RunsText(callback.into()))
            }
            Some(name) if !name.contains('.') => Ok(checked),
            _ => Err(InvalidCallback::NotInParent(callback.into())),
        }
    }

    /// The callback as it is written into a script.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$');
    starts_well
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$')
}

impl fmt::Display for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text cannot be a [`Callback`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCallback {
    /// It is longer than 255 bytes.
    #[error("callback of {length} bytes exceeds the limit of {MAX_LENGTH}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// It is not made of JavaScript names joined by dots.
    #[error("callback {0:?} is not made of JavaScript names joined by dots")]
    NotANamePath(String),
    /// One of its names is a reserved word of JavaScript.
    #[error("callback {callback:?} contains the reserved word {word}")]
    Reserved {
        /// The callback.
        callback: String,
        /// The reserved word in it.
        word: String,
    },
    /// It is not one name in `parent`.
    #[error("callback {0:?} is not `parent.` and one name")]
    NotInParent(String),
    /// It is a function that runs text, opens it, or hands it on.
    #[error("callback {0:?} would run a message, open it or hand it on")]
    RunsText(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_names_are_accepted() {
        for callback in [
            "cometMessage",
            "parent.cometMessage",
            "console.log",
            "$",
            "_a1.$b.c9",
        ] {
            assert_eq!(Callback::new(callback).unwrap().as_str(), callback);
        }
    }

    #[test]
    fn anything_but_dotted_names_is_refused() {
        let bad = [
            "",
            "</script>",
            "a-b",
            "a..b",
            ".a",
            "a.",
            "1a",
            "a.1",
            "eval(x)",
            "a b",
            "a\n",
            "é",
            "a[0]",
        ];
        for callback in bad {
            assert_eq!(
                Callback::new(callback),
                Err(InvalidCallback::NotANamePath(callback.into()))
            );
        }
    }

    #[test]
    fn reserved_words_are_refused_anywhere_in_the_path() {
        for callback in ["this.a", "parent.delete", "null", "a.let.b"] {
            let refused = Callback::new(callback).unwrap_err();
            assert!(
                matches!(refused, InvalidCallback::Reserved { .. }),
                "{callback}: {refused}"
            );
        }
    }

    #[test]
    fn callback_of_256_bytes_is_refused() {
        assert!(Callback::new(&"a".repeat(255)).is_ok());
        let refused = Callback::new(&"a".repeat(256)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "callback of 256 bytes exceeds the limit of 255"
        );
    }

    #[test]
    fn client_may_name_one_harmless_function_of_the_parent() {
        assert!(Callback::in_parent("parent.cometMessage").is_ok());
        for callback in ["cometMessage", "parent", "parent.a.b", "top.a", "parents.a"] {
            assert_eq!(
                Callback::in_parent(callback),
                Err(InvalidCallback::NotInParent(callback.into()))
            );
        }
        for name in RUNS_TEXT {
            let callback = format!("parent.{name}");
            assert_eq!(
                Callback::in_parent(&callback),
                Err(InvalidCallback::RunsText(callback))
            );
        }
    }
}
