//! Step by step: what is asked of the runtime, and what callers are told, in order.

use spanwise_model::{CloudRunService, Cpu, InstanceEnd};

use crate::world::Step::{self, Ask, Done, Fail, Leave, Lose, LoseUntold, Pass, Serve, Shutdown, Warm};
use crate::world::World;

/// One instance at most and none at least, with one place, throttled, kept for a second.
fn one() -> CloudRunService {
    CloudRunService {
        concurrency: 1,
        min_instances: 0,
        max_instances: 1,
        idle_ms: 1_000,
        ..CloudRunService::default()
    }
}

/// Two instances at most, otherwise as [`one`].
fn two() -> CloudRunService {
    CloudRunService { max_instances: 2, ..one() }
}

/// Does the steps, and compares what each of them leads to.
async fn check(service: CloudRunService, steps: &[(Step, &str)]) {
    let mut world = World::new(service);
    for (number, (step, expected)) in steps.iter().enumerate() {
        let before = world.fake.log().len();
        world.step(*step).await;
        assert_eq!(world.fake.log()[before..].join(", "), *expected, "step {number}, {step:?}");
    }
    assert_eq!(world.fake.wrong(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_request_is_held_while_the_first_instance_starts() {
    let steps = [
        (Ask, "start 1"),
        (Pass(5_000), ""),
        (Serve(1), "1 at service"),
        (Done(1), "freeze 1"),
        (Ask, "thaw 1, 2 at service"),
        (Done(2), "freeze 1"),
    ];
    check(one(), &steps).await;
    let always = CloudRunService { cpu: Cpu::Always, ..one() };
    let steps =
        [(Ask, "start 1"), (Serve(1), "1 at service"), (Done(1), ""), (Ask, "2 at service"), (Done(2), "")];
    check(always, &steps).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_has_as_many_requests_as_places_and_they_are_served_in_order() {
    let service = CloudRunService { concurrency: 2, ..two() };
    let steps = [
        (Ask, "start 1"),
        (Ask, ""),
        (Ask, "start 2"),
        (Serve(2), "1 at service#2, 2 at service#2"),
        (Serve(1), "3 at service"),
        (Ask, "4 at service"),
        (Ask, ""),
        (Ask, ""),
        (Done(2), "5 at service#2"),
        (Done(3), "6 at service"),
        (Done(1), ""),
        (Done(5), "freeze 2"),
    ];
    check(service, &steps).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_without_a_request_is_ended_and_the_next_start_is_cold() {
    let steps = [
        (Ask, "start 1"),
        (Serve(1), "1 at service"),
        (Done(1), "freeze 1"),
        (Pass(600), ""),
        (Ask, "thaw 1, 2 at service"),
        (Pass(600), ""),
        (Done(2), "freeze 1"),
        (Pass(600), ""),
        (Pass(400), "end 1"),
        (Ask, "start 2"),
        (Serve(2), "3 at service#2"),
    ];
    check(one(), &steps).await;
    let at_once = CloudRunService { idle_ms: 0, ..one() };
    let steps = [
        (Ask, "start 1"),
        (Ask, ""),
        (Serve(1), "1 at service"),
        (Done(1), "2 at service"),
        (Done(2), "freeze 1, end 1"),
        (Ask, "start 2"),
    ];
    check(at_once, &steps).await;
}

#[tokio::test(start_paused = true)]
async fn the_least_number_of_instances_stays() {
    let least_one = CloudRunService { min_instances: 1, ..two() };
    let steps = [
        (Warm, "start 1"),
        (Serve(1), "warm"),
        (Pass(60_000), ""),
        (Ask, "1 at service"),
        (Ask, "start 2"),
        (Serve(2), "2 at service#2"),
        (Done(2), "freeze 2"),
        (Pass(500), ""),
        (Done(1), "freeze 1"),
        (Pass(500), "end 2"),
        (Pass(60_000), ""),
    ];
    check(least_one, &steps).await;
    let at_once = CloudRunService { min_instances: 1, idle_ms: 0, ..two() };
    let steps = [
        (Warm, "start 1"),
        (Serve(1), "warm"),
        (Ask, "1 at service"),
        (Ask, "start 2"),
        (Serve(2), "2 at service#2"),
        (Done(1), "freeze 1, end 1"),
        (Done(2), "freeze 2"),
    ];
    check(at_once, &steps).await;
    let more_than_there_may_be = CloudRunService { min_instances: 2, ..one() };
    check(more_than_there_may_be, &[(Warm, "start 1"), (Fail(1), "cold: no luck"), (Ask, "start 2")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_is_told_to_those_who_waited_for_it_alone() {
    let failed = "1 failed: no luck, 2 failed: no luck, start 2";
    let service = CloudRunService { concurrency: 2, ..one() };
    let steps = [(Ask, "start 1"), (Ask, ""), (Ask, ""), (Fail(1), failed), (Serve(2), "3 at service#2")];
    check(service, &steps).await;
    let steps = [
        (Ask, "start 1"),
        (Ask, "start 2"),
        (Ask, ""),
        (Fail(2), "2 failed: no luck, start 3"),
        (Serve(1), "1 at service"),
        (Serve(3), "3 at service#3"),
    ];
    check(two(), &steps).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_nothing_behind() {
    let steps = [
        (Ask, "start 1"),
        (Ask, ""),
        (Ask, ""),
        (Serve(1), "1 at service"),
        (Leave(2), ""),
        (Done(1), "3 at service"),
        (Done(3), "freeze 1"),
    ];
    check(one(), &steps).await;
    // Nobody ever asked this one anything, so it keeps its processor.
    check(one(), &[(Ask, "start 1"), (Leave(1), ""), (Serve(1), ""), (Pass(1_000), "end 1")]).await;
    check(one(), &[(Ask, "start 1"), (Leave(1), ""), (Ask, ""), (Serve(1), "2 at service")]).await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told_so() {
    let steps = [
        (Ask, "start 1"),
        (Serve(1), "1 at service"),
        (Ask, ""),
        (Pass(5_000), ""),
        (Ask, ""),
        (Pass(5_000), "2 full"),
        (Done(1), "3 at service"),
        (Done(3), "freeze 1"),
    ];
    check(one(), &steps).await;
    check(one(), &[(Ask, "start 1"), (Pass(10_000), "1 full"), (Ask, ""), (Serve(1), "2 at service")]).await;
}

#[tokio::test(start_paused = true)]
async fn after_the_shutdown_nothing_is_started_frozen_or_ended() {
    let steps = [
        (Ask, "start 1"),
        (Ask, "start 2"),
        (Serve(1), "1 at service"),
        (Serve(2), "2 at service#2"),
        (Done(1), "freeze 1"),
        (Shutdown, "thaw 1"),
        (Done(2), ""),
        (Ask, "3 failed: the service is shut down"),
        (Pass(60_000), ""),
    ];
    check(two(), &steps).await;
    let mut steps = steps;
    steps[5].1 = "";
    check(CloudRunService { end: InstanceEnd::Killed, ..two() }, &steps).await;
    let steps =
        [(Ask, "start 1"), (Shutdown, "1 failed: the service is shut down"), (Serve(1), ""), (Warm, "warm")];
    check(one(), &steps).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_gone_is_replaced() {
    let steps = [
        (Ask, "start 1"),
        (Serve(1), "1 at service"),
        (Ask, ""),
        (Lose(1), "start 2"),
        (Done(1), ""),
        (Serve(2), "2 at service#2"),
        (Done(2), "freeze 2"),
        (Lose(2), ""),
        (Ask, "start 3"),
    ];
    check(one(), &steps).await;
}

#[tokio::test(start_paused = true)]
async fn it_is_settled_when_no_start_is_under_way() {
    let mut world = World::new(one());
    assert!(world.is_settled().await);
    world.step(Ask).await;
    world.step(Shutdown).await;
    assert!(!world.is_settled().await);
    world.step(Serve(1)).await;
    assert!(world.is_settled().await);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_gone_before_its_start_is_told_of_serves_nobody() {
    let steps = [
        (Ask, "start 1"),
        (LoseUntold(1), ""),
        (Serve(1), "1 failed: it ended as soon as it was ready"),
        (Ask, "start 2"),
        (Serve(2), "2 at service#2"),
    ];
    check(one(), &steps).await;
}
