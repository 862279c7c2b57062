//! The channels of one session.

use crate::{Binding, Channel};
use std::{ops::Deref, sync::Arc};

/// Channels in the order of a session's positions, with the digest of their names. Cheap to clone,
/// and one pointer: most sessions share theirs with all others on the same channel.
#[derive(Debug, Clone)]
pub struct Channels(Arc<Named>);

#[derive(Debug)]
struct Named {
    channels: Box<[Channel]>,
    binding: Binding,
}

impl Channels {
    /// The channels in this order.
    pub fn new(channels: impl Into<Box<[Channel]>>) -> Self {
        let channels = channels.into();
        let binding = Binding::of(&channels);
        Self(Arc::new(Named { channels, binding }))
    }

    /// What a position token of these channels is bound to.
    pub fn binding(&self) -> Binding {
        self.0.binding
    }
}

impl Deref for Channels {
    type Target = [Channel];

    fn deref(&self) -> &[Channel] {
        &self.0.channels
    }
}
