//! What must hold of every observation: it survives printing and reading, and its normal form does not depend on order.

mod generated;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use spanwise_model::notation::{parse, parse_all, print};
use spanwise_normalize::{agreeing, normalize};

/// The same cases in every run, so that a failure is never a matter of luck; another seed searches further.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 128,
        rng_seed: RngSeed::Fixed(20_260_102),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_printed_of_a_normal_form_is_read_back_as_it(observation in generated::observation()) {
        let normal = normalize(&observation);
        let text = print(&normal);
        let read = parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&print(&read), &text);
        prop_assert_eq!(read, normal, "{}", text);
    }

    #[test]
    fn the_normal_form_of_a_normal_form_is_itself(observation in generated::observation()) {
        let normal = normalize(&observation);
        prop_assert_eq!(normalize(&normal), normal);
    }

    #[test]
    fn the_normal_form_does_not_depend_on_the_order_of_arrival(
        (observation, seed) in (generated::observation(), any::<u64>()),
    ) {
        let mut other = generated::well_formed(observation);
        let normal = normalize(&other);
        generated::shuffle(&mut other.spans, seed);
        prop_assert_eq!(print(&normalize(&other)), print(&normal));
    }

    #[test]
    fn the_agreeing_form_is_read_back_as_it(observation in generated::observation()) {
        let agreed = agreeing(&observation);
        prop_assert_eq!(parse(&print(&agreed)), Ok(agreed));
    }

    #[test]
    fn no_damage_to_a_text_makes_the_parser_panic(
        (observation, from, length) in (generated::observation(), any::<usize>(), 0..20usize),
    ) {
        let text: Vec<char> = print(&normalize(&observation)).chars().collect();
        let from = from % (text.len() + 1);
        let to = (from + length).min(text.len());
        let damaged: String = text[..from].iter().chain(&text[to..]).collect();
        if let Ok(read) = parse_all(&damaged) {
            read.iter().for_each(|observation| drop(print(&normalize(observation))));
        }
    }

    #[test]
    fn nothing_that_is_read_makes_the_parser_panic(text in "(api SERVER|\\||wire:|S1|\"x\"|=|!|\\{T1:d\\}|\n| |->|[a-zé0-9#\\[\\]<>,-]){0,40}") {
        let _ = parse_all(&text);
    }
}
