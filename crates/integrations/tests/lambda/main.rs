//! Lambda functions as the engine calls them: real Python processes, and an endpoint that speaks the Invoke API.

mod clients;
mod endpoint;
mod local;
mod rig;
