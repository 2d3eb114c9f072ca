//! [`Peers`]: how many connections each address has, so that one of many can't have all of them
//! (G11).

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::rates::sender;

/// The addresses that have connections. As many are known as there are connections, at most.
pub(crate) struct Peers {
    /// Connections that each may have; 0 is no limit.
    most: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place among those of its address, until it is dropped.
pub(crate) struct PeersPlace(Option<(Arc<Peers>, IpAddr)>);

impl Peers {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default() })
    }

    /// A place for one more; none when there are as many as there may be.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<PeersPlace> {
        if self.most == 0 {
            return Some(PeersPlace(None));
        }
        let peer = sender(address);
        let mut open = self.open();
        let count = open.entry(peer).or_default();
        (*count < self.most).then(|| {
            *count += 1;
            PeersPlace(Some((Arc::clone(self), peer)))
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PeersPlace {
    fn drop(&mut self) {
        let Some((peers, peer)) = self.0.take() else { return };
        let mut open = peers.open();
        if let Some(count) = open.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_so_many_and_is_forgotten_with_the_last() {
        let (peers, one, other) = (Peers::new(2), [10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let places = [peers.enter(one), peers.enter(one)];
        assert!(places.iter().all(Option::is_some) && peers.enter(one).is_none());
        assert!(peers.enter(other).is_some(), "another one is not limited by it");
        drop(places);
        assert!(peers.enter(one).is_some());
        assert!(peers.open().is_empty());
        let all = Peers::new(0);
        let places: Vec<_> = (0..10_000).map(|_| all.enter(one)).collect();
        assert!(places.iter().all(Option::is_some), "0 is no limit");
    }
}
