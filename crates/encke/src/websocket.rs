//! WebSockets as responses of an application.

mod upgrade;
