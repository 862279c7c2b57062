//! The body of every response of this crate, whatever produces its bytes.

mod stream;

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};

pub(crate) use self::stream::StreamBody;

/// Why a body ended early: whatever its stream or its task failed with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a response: nothing, bytes that are all there, or bytes still to come.
///
/// It works under every server that takes an [`http_body::Body`].
///
/// ```
/// let response = http::Response::new(encke::Body::full("kiki"));
/// # let _ = response;
/// ```
pub struct Body(Kind);

enum Kind {
    /// `None` once the bytes were handed over.
    Full(Option<Bytes>),
    Stream(Box<StreamBody>),
    Other(UnsyncBoxBody<Bytes, BoxError>),
}

impl Body {
    /// A body without a byte.
    pub const fn empty() -> Self {
        Self(Kind::Full(None))
    }

    /// A body whose bytes are all there; it has a `Content-Length`.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self(Kind::Full((!bytes.is_empty()).then_some(bytes)))
    }

    /// Any other body.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Self(Kind::Other(body.map_err(Into::into).boxed_unsync()))
    }

    /// A body of one frame per item; empty items are skipped.
    ///
    /// An error ends the response without its last chunk, after everything before it was sent.
    pub fn from_stream<S, B, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Into<Bytes> + 'static,
        E: Into<BoxError> + 'static,
    {
        use futures_util::TryStreamExt;

        let frames = stream.map_ok(Into::into).map_err(Into::into);
        Self::streaming(StreamBody::new(Box::pin(frames)))
    }

    pub(crate) fn streaming(body: StreamBody) -> Self {
        Self(Kind::Stream(Box::new(body)))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Stream(body) => Pin::new(body.as_mut()).poll_frame(cx),
            Kind::Other(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Full(bytes) => bytes.is_none(),
            Kind::Stream(body) => body.is_end_stream(),
            Kind::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Stream(body) => body.size_hint(),
            Kind::Other(body) => body.size_hint(),
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::full(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::full(text)
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::full(text)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Full(None) => "empty",
            Kind::Full(Some(_)) => "full",
            Kind::Stream(_) | Kind::Other(_) => "streaming",
        };
        f.debug_tuple("Body").field(&kind).finish()
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;

    use super::*;

    #[test]
    fn body_says_how_long_it_is() {
        assert!(Body::empty().is_end_stream());
        assert!(Body::full("").is_end_stream());
        assert!(!Body::full("kiki").is_end_stream());
        assert_eq!(Body::full("kiki").size_hint().exact(), Some(4));
        let streamed = Body::from_stream(futures_util::stream::iter([Ok::<_, BoxError>("kiki")]));
        assert!(!streamed.is_end_stream());
        assert_eq!(streamed.size_hint().exact(), None);
    }

    #[tokio::test]
    async fn wrapped_body_keeps_its_length_and_bytes() {
        let body = Body::new(http_body_util::Full::new(Bytes::from("kiki")));
        assert_eq!(body.size_hint().exact(), Some(4));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "kiki");
    }
}
