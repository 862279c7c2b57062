//! Why a connection ends: close codes and reasons.

use super::violation::Violation;
use std::{borrow::Cow, fmt};

/// Longest reason that fits a control frame behind its code.
const REASON_LIMIT: usize = 123;

/// A close code (RFC 6455, 7.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The connection has done what it was for.
    pub const NORMAL: Self = Self(1000);
    /// The server shuts down, or the browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// A kind of message that this endpoint does not take.
    pub const UNACCEPTABLE: Self = Self(1003);
    /// The peer's Close had no code. Never sent.
    pub const NO_STATUS: Self = Self(1005);
    /// The connection was lost without a Close. Never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// Data that contradicts its type, such as text that is not UTF-8.
    pub const INCONSISTENT_DATA: Self = Self(1007);
    /// A message against the endpoint's policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// A message over the limit.
    pub const TOO_BIG: Self = Self(1009);
    /// The client misses an extension.
    pub const MISSING_EXTENSION: Self = Self(1010);
    /// The server met something unexpected.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The server restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// Come back later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// A gateway got a bad answer from the server behind it.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// The TLS handshake failed. Never sent.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// encke's own: a subscriber missed something, and the reason says what.
    pub const GAP: Self = Self(4001);

    /// The code with this number.
    ///
    /// # Errors
    ///
    /// When a Close frame may not carry it: allowed are 1000 to 1014 but for 1004 to 1006, and
    /// 3000 to 4999.
    pub const fn new(code: u16) -> Result<Self, InvalidCloseCode> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Self(code)),
            _ => Err(InvalidCloseCode(code)),
        }
    }

    /// Its number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether it may stand in a Close frame; 1005, 1006 and 1015 are only shown to applications.
    pub const fn is_sendable(self) -> bool {
        Self::new(self.0).is_ok()
    }
}

/// A close code that no frame may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("close code {0} may not be sent")]
pub struct InvalidCloseCode(pub u16);

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl TryFrom<u16> for CloseCode {
    type Error = InvalidCloseCode;

    fn try_from(code: u16) -> Result<Self, InvalidCloseCode> {
        Self::new(code)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Code and reason of a Close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    code: CloseCode,
    reason: Cow<'static, str>,
}

impl CloseFrame {
    /// A Close with this reason, cut to 123 bytes at a character's boundary.
    pub fn new(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        let reason = match reason.into() {
            Cow::Borrowed(reason) => Cow::Borrowed(cut(reason)),
            Cow::Owned(mut reason) => {
                reason.truncate(cut(&reason).len());
                Cow::Owned(reason)
            }
        };
        Self { code, reason }
    }

    /// Why, as a number.
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// Why, in words; often empty.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Writes the payload.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.code.0.to_be_bytes());
        out.extend_from_slice(self.reason.as_bytes());
    }

    /// Reads the payload of a peer's Close; an empty one has neither code nor reason.
    pub(super) fn read(payload: &[u8]) -> Result<Option<Self>, Violation> {
        if payload.is_empty() {
            return Ok(None);
        }
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            return Err(Violation::CloseOfOneByte);
        };
        let code = u16::from_be_bytes(*code);
        let code = CloseCode::new(code).map_err(|_| Violation::CloseCode(code))?;
        let reason = str::from_utf8(reason).map_err(|_| Violation::CloseReason)?;
        Ok(Some(Self {
            code,
            reason: Cow::Owned(reason.to_owned()),
        }))
    }
}

impl From<CloseCode> for CloseFrame {
    fn from(code: CloseCode) -> Self {
        Self::new(code, "")
    }
}

fn cut(reason: &str) -> &str {
    let mut end = reason.len().min(REASON_LIMIT);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_no_frame_may_carry_are_refused() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
            assert_eq!(CloseCode::new(code), Err(InvalidCloseCode(code)));
        }
        for code in [1000, 1003, 1007, 1014, 3000, 4999] {
            assert_eq!(CloseCode::new(code).map(CloseCode::get), Ok(code));
        }
        assert!(!CloseCode::ABNORMAL.is_sendable());
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let reason = |text: String| CloseFrame::new(CloseCode::NORMAL, text).reason().to_owned();
        assert_eq!(reason("a".repeat(123)).len(), 123);
        assert_eq!(reason("a".repeat(124)).len(), 123);
        assert_eq!(reason("é".repeat(62)), "é".repeat(61));
        assert_eq!(reason("😀".repeat(40)), "😀".repeat(30));
        let frame = CloseFrame::new(CloseCode::NORMAL, "é".repeat(100));
        let mut payload = Vec::new();
        frame.write(&mut payload);
        assert_eq!(CloseFrame::read(&payload), Ok(Some(frame)));
    }

    #[test]
    fn a_peers_close_is_read_strictly() {
        let violation = |payload: &[u8]| CloseFrame::read(payload).unwrap_err().code();
        assert_eq!(CloseFrame::read(b""), Ok(None));
        assert_eq!(violation(b"\x03"), CloseCode::PROTOCOL_ERROR);
        assert_eq!(violation(b"\x03\xed"), CloseCode::PROTOCOL_ERROR);
        assert_eq!(violation(b"\x03\xe8\xff"), CloseCode::INCONSISTENT_DATA);
    }
}
