//! The bytes that all sessions at one place of a log are given, made once for them.

use crate::{live::speaker::WRITE_SIZE, log::Item};
use encke_proto::{Channel, Encoder, Framing, Position};
use std::{io::Write, sync::Arc};

/// Publications from this size on are written from where they are shared.
const COPY_LIMIT: usize = 4 << 10;

/// Room for the head of a chunk: four digits and the end of the line.
const CHUNK_HEAD: usize = 6;

/// Some publications as bytes, each behind the lead of the session they were last made for.
#[derive(Debug)]
pub(super) struct Span {
    framing: Framing,
    chunked: bool,
    start: Position,
    end: Position,
    lead: Vec<u8>,
    /// Where each lead is.
    leads: Vec<usize>,
    bytes: Vec<u8>,
    /// Where the bytes begin, behind room that a chunk's head did not need.
    from: usize,
}

impl Span {
    /// Where a session stands after these bytes.
    pub(super) fn end(&self) -> Position {
        self.end
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    fn new(framing: Framing, chunked: bool) -> Self {
        Self {
            framing,
            chunked,
            start: Position::UNKNOWN,
            end: Position::UNKNOWN,
            lead: Vec::new(),
            leads: Vec::new(),
            bytes: Vec::new(),
            from: 0,
        }
    }

    /// Puts another session's lead, of the same length, in the place of the last one's.
    fn replace_leads(&mut self, lead: &[u8]) {
        for &at in &self.leads {
            self.bytes[at..at + lead.len()].copy_from_slice(lead);
        }
        self.lead.copy_from_slice(lead);
    }

    fn make(&mut self, start: Position, items: &[Arc<Item>], channel: &Channel, lead: &[u8]) {
        self.start = start;
        self.end = start;
        self.lead.clear();
        self.lead.extend_from_slice(lead);
        self.leads.clear();
        self.bytes.clear();
        if self.chunked {
            self.bytes.resize(CHUNK_HEAD, 0);
        }
        for item in items {
            let encoded = item.encoded(self.framing, channel);
            if self.bytes.len() > WRITE_SIZE || encoded.len() >= COPY_LIMIT {
                break;
            }
            self.leads.push(self.bytes.len());
            self.bytes.extend_from_slice(lead);
            self.bytes.extend_from_slice(encoded.bytes());
            self.end.offset += 1;
        }
        self.from = 0;
        if self.chunked {
            self.end_chunk();
        }
    }

    fn end_chunk(&mut self) {
        let mut head = [0; CHUNK_HEAD];
        let mut left = &mut head[..];
        // It fits: a span is little longer than a write.
        let _ = write!(left, "{:x}\r\n", self.bytes.len() - CHUNK_HEAD);
        let length = CHUNK_HEAD - left.len();
        self.from = CHUNK_HEAD - length;
        self.bytes[self.from..CHUNK_HEAD].copy_from_slice(&head[..length]);
        self.bytes.extend_from_slice(b"\r\n");
    }
}

/// The span of each kind of session that was made last.
#[derive(Debug, Default)]
pub(super) struct Spans {
    kinds: Vec<Span>,
    lead: Vec<u8>,
}

impl Spans {
    /// Forgets what was made: other publications come.
    pub(super) fn clear(&mut self) {
        for span in &mut self.kinds {
            span.start = Position::UNKNOWN;
        }
    }

    /// The bytes of `items`, or of the first of them, for a session of this encoder that stands at
    /// `start`; `None` where it needs bytes of its own.
    pub(super) fn of(
        &mut self,
        encoder: &Encoder,
        chunked: bool,
        start: Position,
        items: &[Arc<Item>],
    ) -> Option<&Span> {
        let lead = encoder.lead()?;
        self.lead.clear();
        lead.write(&mut self.lead);
        let framing = encoder.framing();
        let known = self
            .kinds
            .iter()
            .position(|span| span.framing == framing && span.chunked == chunked);
        let known = known.unwrap_or_else(|| {
            self.kinds.push(Span::new(framing, chunked));
            self.kinds.len() - 1
        });
        let span = &mut self.kinds[known];
        if span.start != start || span.lead.len() != self.lead.len() {
            span.make(start, items, &encoder.channels()[0], &self.lead);
        } else if !self.lead.is_empty() && span.lead != self.lead {
            // Empty ones are not compared: their pointers lead nowhere, and a masked load from there
            // costs 0.18 µs, 4 % of a delivery.
            span.replace_leads(&self.lead);
        }
        (span.end != start).then_some(span)
    }
}
