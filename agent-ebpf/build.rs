//! Lets the linker emit fetching atomics (32-bit ALU instructions, Linux 5.1; fetch, 5.12).

fn main() {
    println!("cargo:rustc-link-arg-bins=--cpu-features=+alu32");
}
