//! What a peer may do wrong, and how it is told.

use super::{CloseCode, CloseFrame};

/// A breach of the protocol or of a limit. Its text is the reason in our Close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    #[error("Reserved bits are set")]
    ReservedBits,
    #[error("Unknown opcode {0}")]
    Opcode(u8),
    #[error("Frames of a client must be masked")]
    Unmasked,
    #[error("Frames of a server must not be masked")]
    Masked,
    #[error("Length is not in its shortest form")]
    LongLength,
    #[error("Length has its first bit set")]
    HugeLength,
    #[error("Control frame is fragmented")]
    FragmentedControl,
    #[error("Control frame of more than 125 bytes")]
    LongControl,
    #[error("Continuation without a beginning")]
    UnexpectedContinuation,
    #[error("New message within a fragmented one")]
    ExpectedContinuation,
    #[error("Close frame of one byte")]
    CloseOfOneByte,
    #[error("Invalid close code {0}")]
    CloseCode(u16),
    #[error("Close reason is not UTF-8")]
    CloseReason,
    #[error("Compressed data is broken")]
    Deflate,
    #[error("Text is not UTF-8")]
    Utf8,
    #[error("Message was too big")]
    TooBig,
}

impl Violation {
    pub(super) fn code(self) -> CloseCode {
        match self {
            Self::CloseReason | Self::Utf8 => CloseCode::INCONSISTENT_DATA,
            Self::TooBig => CloseCode::TOO_BIG,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl From<Violation> for CloseFrame {
    fn from(violation: Violation) -> Self {
        Self::new(violation.code(), violation.to_string())
    }
}
