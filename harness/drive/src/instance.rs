//! What the run loop holds of a started instance, whatever it is: a process, a container, a service that runs already, a
//! stand-in. How one is started is each kind's own.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use spanwise_model::{Evidence, LogRecord, ProcessEvent, Source};

/// An instance of a service, from the moment it is ready. Dropping it ends it, if it is the harness's to end.
///
/// What is written here of output and process is that of an instance which shows neither.
pub trait Instance: Send + Sync {
    /// Which instance of which service it is.
    fn source(&self) -> &Source;

    /// Where it serves.
    fn addr(&self) -> SocketAddr;

    /// Whether this kind of evidence of it is recorded: one that has no output to read shows no [`Evidence::Logs`], one of which
    /// nobody knows whether it runs no [`Evidence::Process`]. Rules that ask for what is not recorded say so, and pass nothing.
    fn shows(&self, evidence: Evidence) -> bool;

    /// The lines that it wrote so far and that are wanted, in the order they were read; none where it shows no output.
    fn logs_where(&self, _wanted: &dyn Fn(&LogRecord) -> bool) -> Vec<LogRecord> {
        Vec::new()
    }

    /// The lines that it wrote so far, in the order they were read.
    fn logs(&self) -> Vec<LogRecord> {
        self.logs_where(&|_| true)
    }

    /// How many lines were not kept, because there were too many.
    fn dropped_lines(&self) -> u64 {
        0
    }

    /// The last lines for a message, each behind a line break and an indent; empty where it wrote none.
    fn tail(&self) -> String {
        String::new()
    }

    /// What happened to it so far, each with a later stamp than the one before; nothing where it shows no process.
    fn events(&self) -> Vec<ProcessEvent> {
        Vec::new()
    }

    /// The number of its process on this machine, where it has one.
    fn pid(&self) -> Option<u32> {
        None
    }

    /// Takes the processor away from it, as the platform does with an instance that has no request, and notes
    /// [`spanwise_model::ProcessEventKind::Frozen`]. Does nothing where that cannot be, where it is frozen, was told to end, or is
    /// gone.
    ///
    /// The events say no more than is certain: frozen is noted once the processor is gone, thawed is stamped before it comes back,
    /// so between the two stamps the service had none. What was answered before `Frozen` was answered while it ran.
    fn freeze(&self) {}

    /// Gives the processor back, and notes [`spanwise_model::ProcessEventKind::Thawed`]. Does nothing where it is not frozen.
    fn thaw(&self) {}

    /// Resolves when it has ended, by itself or otherwise; never for one of which nobody would hear. One that is frozen has not
    /// ended.
    fn exited(&self) -> BoxFuture<'_, ()>;

    /// Ends it: tells it to, and makes it when `grace` has passed. A frozen one gets the processor back first, and from here on
    /// cannot be frozen any more. Returns when it is gone and its last words are read, with all that happened to it; at once,
    /// where it is not the harness's to end.
    fn terminate(&self, grace: Duration) -> BoxFuture<'_, Vec<ProcessEvent>>;

    /// Ends it without a word; a frozen one stays frozen. Returns as [`Instance::terminate`] does.
    fn kill_as_it_is(&self) -> BoxFuture<'_, Vec<ProcessEvent>>;
}
