//! What is known of one channel.

use encke_proto::Position;

/// Numbers of a channel, from [`ChannelHandle::stats`](crate::ChannelHandle::stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelStats {
    /// Sessions and subscriptions that listen to it, on all nodes.
    pub listeners: u64,
    /// The position of the newest publication.
    pub position: Position,
}
