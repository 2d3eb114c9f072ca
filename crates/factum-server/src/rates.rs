//! Rates: how many requests a second one sender may make, so that one of many can't take what is
//! there for all (G11). The number of senders that are known at a time is bounded (G12).

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Mutex,
    time::{Duration, Instant},
};

use governor::{
    Quota, RateLimiter, clock::MonotonicClock, middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};

/// Senders that are told apart at a time. Beyond them all others share one rate.
const SENDERS_MAX: usize = 10_000;
/// How often those that were silent are forgotten, while there are too many.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A rate for each sender, if there is one at all.
pub(crate) struct Rates<K: Clone + Hash + Eq> {
    limiter: Option<Limiter<Option<K>>>,
    /// When those that were silent were last forgotten.
    swept: Mutex<Instant>,
}

type Limiter<K> = RateLimiter<K, HashMapStateStore<K>, MonotonicClock, NoOpMiddleware<Instant>>;

impl<K: Clone + Hash + Eq> Rates<K> {
    /// So many a second, as many at once; 0 is no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        let limiter = NonZeroU32::new(per_second)
            .map(|rate| RateLimiter::hashmap_with_clock(Quota::per_second(rate), MonotonicClock));
        Self { limiter, swept: Mutex::new(Instant::now()) }
    }

    /// Whether the sender may make a request now.
    pub(crate) fn allow(&self, sender: impl FnOnce() -> K) -> bool {
        let Some(limiter) = &self.limiter else { return true };
        if limiter.len() >= SENDERS_MAX
            && let Ok(mut swept) = self.swept.try_lock()
            && swept.elapsed() >= SWEEP_EVERY
        {
            // Those that were silent for a while have their whole rate again: they can be forgotten.
            limiter.retain_recent();
            *swept = Instant::now();
        }
        let known = limiter.len() < SENDERS_MAX;
        limiter.check_key(&known.then(sender)).is_ok()
    }
}

/// Who is behind an address: over IPv6 one sender has a whole network of them.
pub(crate) fn sender(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sender_has_a_rate_of_its_own() {
        let rates = Rates::new(5);
        let allowed =
            |sender: u32, times: usize| (0..times).filter(|_| rates.allow(|| sender)).count();
        let first = allowed(1, 1_000);
        assert!((5..1_000).contains(&first), "{first}");
        assert!(allowed(2, 5) > 0, "another one is not limited by it");
        let none = Rates::new(0);
        assert!((0..1_000).all(|_| none.allow(|| 1)), "0 is no limit");
    }

    #[test]
    fn g12_senders_are_bounded_and_those_beyond_share_a_rate() {
        let rates = Rates::new(1);
        let allowed = (0..3 * SENDERS_MAX).filter(|sender| rates.allow(|| *sender)).count();
        assert!(rates.limiter.as_ref().is_some_and(|limiter| limiter.len() <= SENDERS_MAX + 1));
        assert!(allowed >= SENDERS_MAX, "{allowed}");
    }

    #[test]
    fn a_network_is_one_sender() {
        let of = |text: &str| sender(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.2"), of("192.0.2.1"));
    }
}
