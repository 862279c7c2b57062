//! Marks of states that the simulation counts; nothing outside tests.

macro_rules! reached {
    ($state:ident) => {
        #[cfg(all(test, not(encke_loom)))]
        crate::simulation::reached(crate::simulation::State::$state);
    };
}

pub(crate) use reached;
