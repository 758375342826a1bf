//! Runs lanes side by side, each as a task of its own, and says what became of each: a lane whose task panics still
//! reports, because a permutation that nobody speaks of would look like one that was never planned.

use std::collections::HashMap;

use spanwise_model::RunEvent;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use super::aside::aside;
use super::evidence::LaneEvidence;
use super::lane::{Lane, LaneReport};

/// What lanes tell the run loop.
pub(super) enum News {
    Event(RunEvent),
    Report(Box<LaneReport>),
}

/// Runs lanes, at most so many at once, and reports the evidence of each. Dropping the receiver ends them and their services.
pub(super) fn drive<F>(
    lanes: Vec<Lane>,
    most: usize,
    run: impl Fn(Lane, mpsc::Sender<News>) -> F + Send + 'static,
    report: impl Fn(&LaneEvidence) -> LaneReport + Clone + Send + 'static,
) -> mpsc::Receiver<News>
where
    F: Future<Output = LaneEvidence> + Send + 'static,
{
    let (news, receiver) = mpsc::channel(64);
    let all = async move {
        let mut lanes = lanes.into_iter();
        let mut running = JoinSet::new();
        let mut begun = HashMap::new();
        loop {
            while running.len() < most.max(1)
                && let Some(lane) = lanes.next()
            {
                let (evidence, report) = (run(lane.clone(), news.clone()), report.clone());
                let reported = async move {
                    let evidence = evidence.await;
                    aside(|| report(&evidence))
                };
                begun.insert(running.spawn(reported).id(), lane);
            }
            let ended = tokio::select! {
                ended = running.join_next_with_id() => ended,
                // Nobody listens any more: the run was dropped, and the tasks go with `running`.
                () = news.closed() => break,
            };
            let reported = match ended {
                None => break,
                Some(Ok((_, reported))) => reported,
                Some(Err(error)) => match begun.get(&error.id()) {
                    Some(lane) => {
                        report(&lane.could_not_run(&format!("the harness failed: {}", panicked(error))))
                    }
                    None => continue,
                },
            };
            let _ = news.send(News::Report(Box::new(reported))).await;
        }
    };
    tokio::spawn(all);
    receiver
}

/// What a task that did not end well said last.
pub(super) fn panicked(error: JoinError) -> String {
    let ended = error.to_string();
    let Ok(panic) = error.try_into_panic() else { return ended };
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).map_or(ended, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::fixture;
    use crate::run::lane::Seen;

    #[tokio::test]
    async fn a_lane_whose_task_panics_reports_that_its_permutations_could_not_run() {
        let plan = fixture::plan("");
        let lanes = vec![Lane::alone(&plan, 0), Lane::alone(&plan, 1)];
        let run = |lane: Lane, _| async move {
            assert_ne!(lane.permutations(), [0], "out of luck");
            lane.could_not_run("not asked to")
        };
        let mut reports = drive(lanes, 1, run, move |evidence| evidence.report(&plan));
        let mut reasons = Vec::new();
        while let Some(news) = reports.recv().await {
            let News::Report(report) = news else { panic!("there are only reports") };
            for (permutation, seen) in report.seen {
                let Seen::CouldNotRun(reason) = seen else { panic!("nothing ran") };
                reasons.push((permutation, reason));
            }
        }
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert_eq!(reasons[0].0, 0);
        let panicked = &reasons[0].1;
        assert!(
            panicked.starts_with("the harness failed: ") && panicked.contains("out of luck"),
            "{panicked}"
        );
        assert_eq!(reasons[1], (1, "not asked to".to_owned()));
    }
}
