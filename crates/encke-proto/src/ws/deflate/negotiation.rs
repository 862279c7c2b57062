//! Which parameters of permessage-deflate the two ends agree on (RFC 7692, 7.1).

use super::{Config, WindowBits};
use crate::ws::handshake::{Extension, extensions};
use http::HeaderMap;
use std::fmt::Write;

const NAME: &str = "permessage-deflate";

/// What both ends agreed on in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    pub(in crate::ws) server: Direction,
    pub(in crate::ws) client: Direction,
}

/// What was agreed on for the messages of one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ws) struct Direction {
    pub(in crate::ws) takeover: bool,
    /// 8 to 15.
    pub(in crate::ws) bits: u8,
}

impl Agreement {
    /// Whether the client takes frames that were deflated for everybody, with the largest window.
    pub fn takes_shared(&self) -> bool {
        self.server.deflate_window() == Some(WindowBits::MAX)
    }
}

impl Direction {
    /// The window for inflating. A window of 8 bits lies within one of 9.
    pub(in crate::ws) fn inflate_window(self) -> WindowBits {
        WindowBits::new(self.bits).unwrap_or(WindowBits::MIN)
    }

    /// The window for deflating; `None` where no library keeps within it.
    pub(in crate::ws) fn deflate_window(self) -> Option<WindowBits> {
        WindowBits::new(self.bits).ok()
    }
}

/// The parameters of one offer or answer.
#[derive(Default)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// `Some(None)` where it stands without a value.
    client_max_window_bits: Option<Option<u8>>,
}

impl Parameters {
    /// `None` for a parameter that is unknown, comes twice or has a bad value.
    fn read(extension: &Extension<'_>) -> Option<Self> {
        let mut read = Self::default();
        for (name, value) in &extension.parameters {
            let value = value.as_deref();
            let new = match *name {
                "server_no_context_takeover" if value.is_none() => {
                    !std::mem::replace(&mut read.server_no_context_takeover, true)
                }
                "client_no_context_takeover" if value.is_none() => {
                    !std::mem::replace(&mut read.client_no_context_takeover, true)
                }
                "server_max_window_bits" => {
                    read.server_max_window_bits.replace(bits(value?)?).is_none()
                }
                "client_max_window_bits" => {
                    let bits = match value {
                        Some(value) => Some(bits(value)?),
                        None => None,
                    };
                    read.client_max_window_bits.replace(bits).is_none()
                }
                _ => false,
            };
            if !new {
                return None;
            }
        }
        Some(read)
    }
}

/// "a decimal integer value without leading zeroes between 8 to 15" (RFC 7692, 7.1.2.1).
fn bits(value: &str) -> Option<u8> {
    matches!(value, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")
        .then(|| value.parse().ok())
        .flatten()
}

/// A server's choice among a client's offers, and the answer for `Sec-WebSocket-Extensions`.
pub(in crate::ws) fn accept(headers: &HeaderMap, config: &Config) -> Option<(Agreement, String)> {
    let offers = extensions(headers).ok()?;
    offers
        .iter()
        .filter(|offer| offer.name.eq_ignore_ascii_case(NAME))
        .find_map(|offer| accept_offer(&Parameters::read(offer)?, config))
}

fn accept_offer(offer: &Parameters, config: &Config) -> Option<(Agreement, String)> {
    let offered = offer.server_max_window_bits.unwrap_or(15);
    let server = Direction {
        takeover: config.server_context_takeover && !offer.server_no_context_takeover,
        bits: WindowBits::new(offered)
            .ok()?
            .min(config.server_window)
            .get(),
    };
    let client = Direction {
        takeover: config.client_context_takeover && !offer.client_no_context_takeover,
        // A client that does not offer to be bound may use everything.
        bits: offer.client_max_window_bits.map_or(15, |offered| {
            offered.unwrap_or(15).min(config.client_window.get())
        }),
    };

    let mut answer = NAME.to_owned();
    if !server.takeover {
        answer.push_str("; server_no_context_takeover");
    }
    if !client.takeover {
        answer.push_str("; client_no_context_takeover");
    }
    if offer.server_max_window_bits.is_some() || server.bits < 15 {
        let _ = write!(answer, "; server_max_window_bits={}", server.bits);
    }
    if offer.client_max_window_bits.flatten().is_some() || client.bits < 15 {
        let _ = write!(answer, "; client_max_window_bits={}", client.bits);
    }
    Some((Agreement { server, client }, answer))
}

/// A client's offer for `Sec-WebSocket-Extensions`.
pub(in crate::ws) fn offer(config: &Config) -> String {
    let mut offer = NAME.to_owned();
    if !config.server_context_takeover {
        offer.push_str("; server_no_context_takeover");
    }
    if !config.client_context_takeover {
        offer.push_str("; client_no_context_takeover");
    }
    if config.server_window < WindowBits::MAX {
        let _ = write!(
            offer,
            "; server_max_window_bits={}",
            config.server_window.get()
        );
    }
    offer.push_str("; client_max_window_bits");
    if config.client_window < WindowBits::MAX {
        let _ = write!(offer, "={}", config.client_window.get());
    }
    offer
}

/// A server's answer that does not fit the offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("extensions that were not offered: {0}")]
pub struct InvalidAnswer(pub(in crate::ws) String);

/// What a server's answer means to the client that made [`offer`] of `config`.
pub(in crate::ws) fn read_answer(
    headers: &HeaderMap,
    config: Option<&Config>,
) -> Result<Option<Agreement>, InvalidAnswer> {
    let invalid = || {
        let answer = headers.get_all(http::header::SEC_WEBSOCKET_EXTENSIONS);
        let answer: Vec<_> = answer
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        InvalidAnswer(crate::excerpt(&answer.join(", ")))
    };
    let answers = extensions(headers).map_err(|_| invalid())?;
    match &answers[..] {
        [] => Ok(None),
        [answer] if answer.name.eq_ignore_ascii_case(NAME) => config
            .and_then(|config| agree(&Parameters::read(answer)?, config))
            .map(Some)
            .ok_or_else(invalid),
        _ => Err(invalid()),
    }
}

fn agree(answer: &Parameters, config: &Config) -> Option<Agreement> {
    let server_bits = answer.server_max_window_bits.unwrap_or(15);
    let server_takeover = !answer.server_no_context_takeover;
    // "client_max_window_bits" without a value stands in offers only.
    let client_bits = match answer.client_max_window_bits {
        Some(bits) => bits?,
        None => 15,
    };
    let kept = server_bits <= config.server_window.get()
        && (!server_takeover || config.server_context_takeover);
    kept.then_some(Agreement {
        server: Direction {
            takeover: server_takeover,
            bits: server_bits,
        },
        client: Direction {
            takeover: config.client_context_takeover && !answer.client_no_context_takeover,
            bits: client_bits.min(config.client_window.get()),
        },
    })
}
