//! The gateway on real sockets: callers on one side, upstreams on the other, raw where HTTP is to be broken.

#[path = "gateway/calls.rs"]
mod calls;
#[path = "gateway/cutting.rs"]
mod cutting;
#[path = "gateway/failing.rs"]
mod failing;
#[path = "gateway/hostile.rs"]
mod hostile;
#[path = "gateway/scene.rs"]
mod scene;
#[path = "gateway/streams.rs"]
mod streams;
