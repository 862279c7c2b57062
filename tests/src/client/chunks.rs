//! The text of an answer, without the chunks that it came in.

const LINE_END: &[u8] = b"\r\n";

/// What came so far of one answer.
#[derive(Default)]
pub(super) struct Chunks {
    /// The head, and what was in the chunks.
    pub(super) text: String,
    rest: Vec<u8>,
    state: State,
}

#[derive(Default)]
enum State {
    #[default]
    Head,
    Size,
    Chunk(usize),
    /// A body that is in no chunks, or what follows them.
    Plain,
}

impl Chunks {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(next) = self.step() {
            self.state = next;
        }
    }

    /// The state that follows, where enough is there for it.
    fn step(&mut self) -> Option<State> {
        match self.state {
            State::Head => {
                let length = find(&self.rest, b"\r\n\r\n")? + 4;
                self.pass_on(length);
                let head = self.text.to_ascii_lowercase();
                let is_chunked = head.contains("transfer-encoding: chunked");
                Some(if is_chunked {
                    State::Size
                } else {
                    State::Plain
                })
            }
            State::Size => {
                let length = find(&self.rest, LINE_END)?;
                let line = String::from_utf8_lossy(&self.rest[..length]).into_owned();
                self.rest.drain(..length + LINE_END.len());
                match usize::from_str_radix(&line, 16) {
                    Ok(0) => Some(State::Plain),
                    Ok(size) => Some(State::Chunk(size)),
                    Err(_) => panic!("{line:?} is no size of a chunk, behind {}", self.text),
                }
            }
            State::Chunk(left) if left > 0 => {
                let length = left.min(self.rest.len());
                self.pass_on(length);
                (length > 0).then(|| State::Chunk(left - length))
            }
            State::Chunk(_) => {
                let _ = self.rest.get(..LINE_END.len())?;
                self.rest.drain(..LINE_END.len());
                Some(State::Size)
            }
            State::Plain => {
                self.pass_on(self.rest.len());
                None
            }
        }
    }

    fn pass_on(&mut self, length: usize) {
        let bytes: Vec<u8> = self.rest.drain(..length).collect();
        self.text += &String::from_utf8_lossy(&bytes);
    }
}

fn find(bytes: &[u8], piece: &[u8]) -> Option<usize> {
    bytes
        .windows(piece.len())
        .position(|window| window == piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_same_however_it_is_split() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answer = format!("{head}2\r\nki\r\nA\r\nki\r\n\r\nboub\r\n1\r\na\r\n0\r\n\r\n");
        for at in 0..answer.len() {
            let (first, second) = answer.as_bytes().split_at(at);
            let mut chunks = Chunks::default();
            chunks.push(first);
            chunks.push(second);
            assert_eq!(chunks.text, format!("{head}kiki\r\n\r\nbouba\r\n"));
        }
    }

    #[test]
    fn an_answer_without_chunks_is_passed_on() {
        let answer = "HTTP/1.1 101 Switching Protocols\r\n\r\n5\r\nkiki";
        let mut chunks = Chunks::default();
        chunks.push(answer.as_bytes());
        assert_eq!(chunks.text, answer);
    }
}
