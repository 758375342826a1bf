//! Whatever happens, in whatever order: what must hold after each step, and that nobody waits for ever.

use std::collections::BTreeMap;

use proptest::prelude::*;
use spanwise_model::{CloudRunService, Cpu, InstanceEnd};

use crate::fake::Is;
use crate::world::{Step, World};

/// Steps whose numbers say which of those that they can be about is meant.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Ask),
        4 => (0_u32..4).prop_map(Step::Done),
        2 => (0_u32..4).prop_map(Step::Leave),
        4 => (0_u32..4).prop_map(Step::Serve),
        1 => (0_u32..4).prop_map(Step::Fail),
        1 => (0_u32..4).prop_map(Step::Lose),
        1 => Just(Step::Warm),
        2 => prop_oneof![Just(400), Just(4_000)].prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..60)
}

/// The step that is meant, if there is anything that it can be about.
fn meant(world: &World, step: Step) -> Option<Step> {
    let (all, which, make): (Vec<u32>, u32, fn(u32) -> Step) = match step {
        Step::Done(which) => (world.served(), which, Step::Done),
        Step::Leave(which) => (world.waiting(), which, Step::Leave),
        Step::Serve(which) => (world.fake.starting(), which, Step::Serve),
        Step::Fail(which) => (world.fake.starting(), which, Step::Fail),
        Step::Lose(which) => (running(world), which, Step::Lose),
        other => return Some(other),
    };
    let place = (which as usize).checked_rem(all.len())?;
    Some(make(all[place]))
}

fn service() -> impl Strategy<Value = CloudRunService> {
    let idle = prop_oneof![Just(0), Just(1_000)];
    (1_u32..3, 0_u32..3, 1_u32..4, idle, any::<bool>(), any::<bool>()).prop_map(
        |(concurrency, min_instances, max_instances, idle_ms, always, killed)| CloudRunService {
            concurrency,
            min_instances,
            max_instances,
            idle_ms,
            cpu: if always { Cpu::Always } else { Cpu::Throttled },
            end: if killed { InstanceEnd::Killed } else { InstanceEnd::Sigterm },
            ..CloudRunService::default()
        },
    )
}

/// What must hold whenever no task has anything to do.
fn check(world: &World) {
    assert_eq!(world.fake.wrong(), Vec::<String>::new(), "{world:?}");
    let (service, leases, asked) = (&world.service, world.leases(), asked(world));
    let all = world.fake.instances();
    let live: BTreeMap<u32, Is> = all.into_iter().filter(|(_, is)| *is != Is::Gone).collect();
    let (places, max) = (service.concurrency as usize, service.max_instances as usize);
    assert!(live.len() <= max, "{world:?}");
    assert!(leases.values().all(|count| *count <= places), "{world:?}");
    let starting = live.values().filter(|is| **is == Is::Starting).count();
    let mut is_full = true;
    for (instance, is) in &live {
        let has = leases.get(instance).copied().unwrap_or_default();
        let rests = service.cpu == Cpu::Throttled && has == 0 && asked.contains(instance);
        assert_eq!(*is == Is::Frozen, *is != Is::Starting && rests, "instance {instance}: {world:?}");
        is_full &= *is == Is::Starting || has == places;
    }
    // Who waits has a reason to.
    let waiting = world.waiting().len();
    let is_on_its_way = starting * places >= waiting || live.len() == max;
    assert!(waiting == 0 || (is_full && is_on_its_way), "{world:?}");
}

/// Does the steps; then every start succeeds, every exchange ends, and every caller is answered.
async fn run(service: CloudRunService, steps: Vec<Step>) {
    let mut world = World::new(service);
    let mut ended = 0;
    for step in steps {
        let Some(step) = meant(&world, step) else { continue };
        let before = running(&world).len();
        world.step(step).await;
        check(&world);
        // An instance that is ended leaves the least number behind.
        let ends = world.fake.log().iter().filter(|line| line.starts_with("end ")).count();
        let least = world.service.min_instances as usize;
        let is_scaled_down = ends > ended && !matches!(step, Step::Lose(_));
        assert!(!is_scaled_down || running(&world).len() >= least.min(before), "{step:?}: {world:?}");
        ended = ends;
    }
    while !world.waiting().is_empty() || !world.fake.starting().is_empty() || !world.served().is_empty() {
        let before = world.fake.log().len();
        for instance in world.fake.starting() {
            world.step(Step::Serve(instance)).await;
        }
        for caller in world.served() {
            world.step(Step::Done(caller)).await;
        }
        check(&world);
        assert!(world.fake.log().len() > before || world.waiting().is_empty(), "{world:?}");
    }
    // The idle ones go, and no more than those.
    world.step(Step::Pass(world.service.idle_ms)).await;
    let stay = running(&world).len();
    assert!(stay <= world.service.min_instances as usize, "{world:?}");
    world.step(Step::Shutdown).await;
    let by_sigterm = world.service.end == InstanceEnd::Sigterm;
    assert!(!by_sigterm || world.fake.instances().values().all(|is| *is != Is::Frozen), "{world:?}");
    assert!(world.is_settled().await);
    assert_eq!(world.fake.wrong(), Vec::<String>::new(), "{world:?}");
}

/// Those that serve.
fn running(world: &World) -> Vec<u32> {
    let instances = world.fake.instances().into_iter();
    instances.filter(|(_, is)| matches!(is, Is::Running | Is::Frozen)).map(|(number, _)| number).collect()
}

/// The instances that had a request, also those whose request is over.
fn asked(world: &World) -> Vec<u32> {
    let log = world.fake.log();
    let places = log.iter().filter_map(|line| line.split_once(" at service"));
    places
        .map(|(_, number)| number.strip_prefix('#').map_or(1, |number| number.parse().expect("a number")))
        .collect()
}

proptest! {
    #[test]
    fn nothing_is_forgotten_whatever_happens(service in service(), steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(run(service, steps));
    }
}
