//! The binary of api-service; everything it does stands in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    spanwise_demo_api_service::run()
}
