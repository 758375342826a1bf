//! One run for several tests, and fixtures of rstest.

use rstest::{fixture, rstest};
use spanwise::{HarnessError, Run, Shared, assert_conforms};

use crate::shop::{Broken, shop};

static SHOP: Shared = Shared::new(|| shop(Broken::Nothing));

/// A run of its own for each test.
#[fixture]
async fn own() -> Run {
    shop(Broken::Nothing).start().await.expect("the shop opens")
}

/// The one run of all tests that ask for it.
#[fixture]
async fn shared() -> &'static Run {
    SHOP.run().await
}

#[rstest]
#[tokio::test]
async fn each_test_has_a_run_of_its_own(#[future(awt)] own: Run) -> Result<(), HarnessError> {
    own.get("/order").await?;
    assert_eq!(own.end().await.spans().count(), 3);
    Ok(())
}

#[rstest]
#[case::insecure(false)]
#[case::secure(true)]
#[tokio::test]
async fn tests_side_by_side_share_a_run(
    #[future(awt)] shared: &'static Run,
    #[case] is_secure: bool,
) -> Result<(), HarnessError> {
    for _ in 0..10 {
        let request = shared.get("/order");
        let answer = if is_secure { request.secure() } else { request }.await?;
        let trace = answer.trace().await?;
        assert_eq!(trace.ids(), [answer.trace_id()]);
        assert_conforms!(trace);
    }
    Ok(())
}
