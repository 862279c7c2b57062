//! The demo page and the channels it shows.

mod feeders;
mod page;

pub(crate) use self::{feeders::feed, page::file};
