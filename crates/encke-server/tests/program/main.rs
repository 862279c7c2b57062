//! The program as its users meet it: started, asked over a socket, and stopped.

mod listener;
mod support;

mod brokers;
mod commands;
mod demo;
mod health;
mod idempotency;
mod lifecycle;
mod refusals;
mod sockets;
mod statistics;
mod sub_sockets;
mod tls;
