//! The order of positions and real time: the quick check against an exhaustive search.

use factum_sim::{Moment, Role, in_real_time};

/// Whether some order of the moments, in which nothing that ended before something else began comes
/// after it, gives each append the next position and shows each reader all appends before it.
fn exists(left: &[Moment], head: u64) -> bool {
    left.is_empty()
        || left.iter().enumerate().any(|(at, next)| {
            let first = left.iter().all(|other| other.responded >= next.invoked);
            let fits = match next.role {
                Role::Append => next.position == head + 1,
                Role::Saw => next.position == head,
                Role::Knew => next.position <= head,
            };
            let mut rest = left.to_vec();
            rest.remove(at);
            let head = head + u64::from(next.role == Role::Append);
            first && fits && exists(&rest, head)
        })
}

/// Up to seven moments at random times: appends at 1, 2, 3 … and readers of any head.
fn history(rng: &mut fastrand::Rng) -> Vec<Moment> {
    let appends = rng.u64(1..5);
    let mut moments = Vec::new();
    let mut moment = |position, role, rng: &mut fastrand::Rng| {
        let invoked = rng.u64(..12);
        moments.push(Moment { position, invoked, responded: invoked + rng.u64(..6), role });
    };
    (1..=appends).for_each(|position| moment(position, Role::Append, rng));
    for _ in 0..rng.u64(..4) {
        let role = if rng.u8(..4) == 0 { Role::Knew } else { Role::Saw };
        moment(rng.u64(..=appends), role, rng);
    }
    moments
}

#[test]
fn g4_the_quick_check_says_what_an_exhaustive_search_says() {
    let mut rng = fastrand::Rng::with_seed(4);
    let mut verdicts = [0, 0];
    for number in 0..20_000 {
        let mut moments = history(&mut rng);
        let expected = exists(&moments, 0);
        assert_eq!(in_real_time(&mut moments).is_ok(), expected, "history {number}: {moments:?}");
        verdicts[usize::from(expected)] += 1;
    }
    assert!(verdicts.iter().all(|count| *count > 1_000), "{verdicts:?}");
}
