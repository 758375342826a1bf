//! The collector alone on free ports: what `spanwise collect` runs, without the command line.
//!
//! The first line says where it listens. It ends when its standard input does, with the counts.

use std::io::Read;

use spanwise_collect::Standalone;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let input_ends = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let stop = async {
        let _ = input_ends.await;
    };
    Standalone::default().run(&mut std::io::stdout(), stop).await?;
    Ok(())
}
