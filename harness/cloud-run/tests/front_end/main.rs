//! The front end on real sockets: what a service gets through it, what it answers by itself, and what bad input does to it.

mod bad_input;
mod calls;
mod world;
