//! The binary of backend-service; everything it does stands in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    spanwise_demo_backend_service::run()
}
