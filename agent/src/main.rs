//! See the library.

fn main() -> std::process::ExitCode {
    evictd::cli::main()
}
