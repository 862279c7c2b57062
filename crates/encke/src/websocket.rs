//! WebSockets as responses of an application.

mod upgrade;

pub(crate) use self::upgrade::Upgrade;
