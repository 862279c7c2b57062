//! Every broker keeps the same contract, and breaks in no way that a subscriber does not see.
//!
//! Engines are started, killed and cut off by the tests themselves.

mod backend;
mod clocks;
mod contract;
mod failover;
mod faults;
mod jetstream;
mod reader;
mod starts;

/// The contract's tests, for one broker.
macro_rules! keeps_the_contract {
    ($broker:ident, $backend:ident, $attributes:tt) => {
        keeps_the_contract!($broker, $backend, $attributes, [
            a_publication_reaches_every_node_in_order_and_once,
            all_nodes_see_one_order_of_concurrent_publishers,
            what_is_published_arrives_as_it_was,
            a_channel_may_have_any_name,
            a_client_continues_on_another_node,
            a_client_that_knows_more_than_its_node_is_told_of_no_gap,
            only_what_history_does_not_have_is_a_gap,
            history_ends_with_its_age_and_positions_go_on,
            an_unknown_position_is_a_gap_that_cannot_be_counted,
            a_burst_reaches_who_keeps_up_without_a_gap_even_without_history,
            large_publications_arrive_whole,
            a_key_stands_for_one_publication_on_all_nodes,
            listeners_are_counted_on_all_nodes,
            whoever_wants_to_wait_and_keep_for_ever_may,
        ]);
    };
    ($broker:ident, $backend:ident, $attributes:tt, [$($test:ident),* $(,)?]) => {
        mod $broker {
            use crate::backend::{Backend, $backend as Broker};
            $(keeps_the_contract!(@ $attributes $test);)*
        }
    };
    (@ [$($attribute:meta)?] $test:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$attribute])?
        async fn $test() {
            crate::contract::$test(&Broker::start().await).await;
        }
    };
}

keeps_the_contract!(memory, Memory, []);
keeps_the_contract!(
    redis,
    OneRedis,
    [ignore = "needs redis-server: cargo xtask test"]
);
keeps_the_contract!(
    redis_cluster,
    Cluster,
    [ignore = "needs redis-server: cargo xtask test"]
);
keeps_the_contract!(
    nats,
    OneNats,
    [ignore = "needs nats-server: cargo xtask test"]
);
// What servers may disagree about; the rest takes too long.
keeps_the_contract!(
    nats_cluster,
    ThreeNats,
    [ignore = "needs nats-server: cargo xtask test"],
    [
        a_publication_reaches_every_node_in_order_and_once,
        all_nodes_see_one_order_of_concurrent_publishers,
        a_client_continues_on_another_node,
        a_client_that_knows_more_than_its_node_is_told_of_no_gap,
        an_unknown_position_is_a_gap_that_cannot_be_counted,
        a_key_stands_for_one_publication_on_all_nodes,
    ]
);

/// What happens when an engine breaks.
macro_rules! breaks_in_the_open {
    ($broker:ident, $backend:ident, [$($test:ident),* $(,)?]) => {
        mod $broker {
            use crate::backend::{Backend, $backend as Broker};
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs engines: cargo xtask test"]
                async fn $test() {
                    crate::faults::$test(&mut Broker::start().await).await;
                }
            )*
        }
    };
    ($broker:ident, $backend:ident) => {
        breaks_in_the_open!($broker, $backend, [
            an_engine_that_comes_back_with_its_data_costs_nobody_anything,
            an_engine_that_lost_its_data_is_a_gap_that_cannot_be_counted,
            an_engine_that_lost_the_newest_gives_all_that_it_has_still,
            while_an_engine_is_away_nothing_is_taken_and_nobody_is_cut,
            an_engine_that_stands_still_is_noticed_and_nothing_is_published_twice,
            cut_connections_lose_nothing_and_repeat_nothing,
            what_was_not_answered_is_published_once_or_not_at_all,
            a_slow_engine_delays_and_loses_nothing,
            a_crowd_that_recovers_costs_one_read,
        ]);
    };
}

breaks_in_the_open!(redis_faults, OneRedis);
breaks_in_the_open!(redis_cluster_faults, Cluster);
breaks_in_the_open!(nats_faults, OneNats);
// In a cluster, no node has a way of its own.
breaks_in_the_open!(
    redis_network,
    OneRedis,
    [a_node_that_was_cut_off_has_what_it_missed_or_a_gap]
);
breaks_in_the_open!(
    nats_network,
    OneNats,
    [a_node_that_was_cut_off_has_what_it_missed_or_a_gap]
);
