//! evictd
fn main() {}
