//! The wire: AWS's JSON protocol over HTTP/1.1, in front of an engine.
//!
//! [`Server::serve`] is the way in. [`api`] has one file an action; [`protocol`] says what a request and an error look
//! like, [`validation`] reads members under AWS's constraints, [`auth`] decides who may talk to it and whose request it is.
//!
//! Not here, on purpose: what an operation does (`engine`), what an event shows (`interpreter::history`), signatures (they
//! are accepted unchecked for now; [`auth`] keeps web pages out meanwhile).

pub mod config;
mod server;
mod connection;
mod protocol;
mod auth;
mod validation;
mod configuration;
mod syntax;
mod page_token;
mod room;
mod metrics;
mod api;

pub use config::{Config, Limits};
pub use server::Server;
