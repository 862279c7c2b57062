//! What is measured.

use super::mode::{Load, Mode, Reference, Shown, Table};

const CPU: &str = "cpu_per_million";
const BARE: Reference = Reference::Limit(&[]);

const MODE: Mode = Mode {
    name: "",
    title: "",
    table: Table::Fanout,
    load: Load::Fanout,
    arguments: &[],
    less: None,
    reference: BARE,
    metric: CPU,
    shown: &[],
    fresh: false,
    once: false,
    pairs: 9,
    everyone: false,
    long: false,
};

pub(super) const MODES: &[Mode] = &[
    Mode {
        name: "closed",
        title: "closed loop",
        shown: &[Shown {
            title: "deliveries/s",
            field: "deliveries_per_second",
        }],
        everyone: true,
        ..MODE
    },
    Mode {
        name: "rate50",
        title: "50/s",
        arguments: &["--rate", "50"],
        shown: &[Shown {
            title: "p99 ms at 50/s",
            field: "p99_ms",
        }],
        everyone: true,
        ..MODE
    },
    Mode {
        name: "burst50",
        title: "bursts of 50",
        arguments: &["--burst", "50"],
        reference: Reference::Limit(&["--coalesce"]),
        everyone: true,
        ..MODE
    },
    Mode {
        name: "closed10k",
        title: "10,000 subscribers, closed loop",
        table: Table::Crowds,
        arguments: &["--subscribers", "10000"],
        ..MODE
    },
    // 50/s would be more than the bare loop can do.
    Mode {
        name: "rate10k",
        title: "10,000 subscribers, 10/s",
        table: Table::Crowds,
        arguments: &["--subscribers", "10000", "--rate", "10"],
        ..MODE
    },
    // As many deliveries under way as with one channel of 1,000. What publishing costs without
    // subscribers is taken off on both sides.
    Mode {
        name: "channels10000",
        title: "10,000 channels × 1",
        table: Table::Crowds,
        arguments: &[
            "--channels",
            "10000",
            "--subscribers",
            "10000",
            "--burst",
            "1000",
        ],
        less: Some(&[
            "--channels",
            "10000",
            "--subscribers",
            "0",
            "--burst",
            "1000",
        ]),
        metric: "cpu_us_per_publication",
        ..MODE
    },
    Mode {
        name: "channels100",
        title: "100 channels × 100",
        table: Table::Crowds,
        arguments: &[
            "--channels",
            "100",
            "--subscribers",
            "10000",
            "--burst",
            "10",
        ],
        less: Some(&["--channels", "100", "--subscribers", "0", "--burst", "10"]),
        metric: "cpu_us_per_publication",
        ..MODE
    },
    Mode {
        name: "idle",
        title: "of 10,000: bytes/connection",
        table: Table::Idle,
        load: Load::Idle,
        arguments: &["--connections", "10000", "--settle", "1500"],
        metric: "resident_per_connection",
        shown: &[
            Shown {
                title: "heap and stacks",
                field: "anonymous_per_connection",
            },
            Shown {
                title: "kernel, both ends",
                field: "kernel_per_connection",
            },
        ],
        fresh: true,
        pairs: 3,
        everyone: true,
        ..MODE
    },
    Mode {
        name: "idle5k",
        title: "of 5,000: bytes/connection",
        table: Table::Idle,
        load: Load::Idle,
        arguments: &["--connections", "5000", "--settle", "1500"],
        metric: "resident_per_connection",
        fresh: true,
        pairs: 3,
        ..MODE
    },
    Mode {
        name: "pings",
        title: "pings: CPU µs per connection and second",
        table: Table::Idle,
        load: Load::Idle,
        arguments: &["--connections", "10000", "--hold", "52"],
        metric: "cpu_us_per_connection_second",
        fresh: true,
        pairs: 1,
        long: true,
        ..MODE
    },
    Mode {
        name: "connect",
        title: "connect",
        table: Table::Connect,
        load: Load::Connect,
        arguments: &["--connections", "10000"],
        metric: "cpu_us_per_connect",
        shown: &[
            Shown {
                title: "CPU µs",
                field: "cpu_us_per_connect",
            },
            Shown {
                title: "connects/s",
                field: "connects_per_second",
            },
        ],
        ..MODE
    },
    Mode {
        name: "recover",
        title: "connect and recover 100",
        table: Table::Connect,
        load: Load::Recover,
        arguments: &["--connections", "10000", "--recover", "100"],
        reference: Reference::Limit(&["--history", "100"]),
        metric: "cpu_us_per_connect",
        shown: &[
            Shown {
                title: "CPU µs, recovering",
                field: "cpu_us_per_connect",
            },
            Shown {
                title: "connects/s, recovering",
                field: "connects_per_second",
            },
        ],
        ..MODE
    },
    Mode {
        name: "echo20",
        title: "20 B",
        table: Table::Echo,
        load: Load::Echo,
        arguments: &["--size", "20", "--depth", "1", "--connections", "64"],
        everyone: true,
        ..MODE
    },
    Mode {
        name: "echo20x64",
        title: "20 B × 64",
        table: Table::Echo,
        load: Load::Echo,
        arguments: &["--size", "20", "--depth", "64", "--connections", "16"],
        everyone: true,
        ..MODE
    },
    Mode {
        name: "echo1k",
        title: "1 KiB × 16",
        table: Table::Echo,
        load: Load::Echo,
        arguments: &["--size", "1024", "--depth", "16", "--connections", "16"],
        everyone: true,
        ..MODE
    },
    Mode {
        name: "echo64k",
        title: "64 KiB × 2",
        table: Table::Echo,
        load: Load::Echo,
        arguments: &["--size", "65536", "--depth", "2", "--connections", "8"],
        everyone: true,
        ..MODE
    },
    Mode {
        name: "stalled",
        title: "p99 with 10 of 1,000 stalled",
        table: Table::Stalled,
        arguments: &[
            "--rate",
            "50",
            "--size",
            "1024",
            "--subscribers",
            "990",
            "--stalled",
            "10",
        ],
        reference: Reference::Itself(&["--rate", "50", "--size", "1024", "--subscribers", "990"]),
        metric: "p99_ms",
        shown: &[Shown {
            title: "p99 ms",
            field: "p99_ms",
        }],
        ..MODE
    },
    Mode {
        name: "stalled60",
        title: "for a minute",
        table: Table::Stalled,
        arguments: &[
            "--rate",
            "50",
            "--size",
            "1024",
            "--subscribers",
            "990",
            "--stalled",
            "10",
            "--seconds",
            "60",
        ],
        reference: Reference::Itself(&[
            "--rate",
            "50",
            "--size",
            "1024",
            "--subscribers",
            "990",
            "--seconds",
            "60",
        ]),
        metric: "p99_ms",
        shown: &[
            Shown {
                title: "resident KiB before",
                field: "resident_kib",
            },
            Shown {
                title: "at most",
                field: "resident_max_kib",
            },
        ],
        fresh: true,
        pairs: 1,
        long: true,
        ..MODE
    },
    Mode {
        name: "publish",
        title: "publish to nobody",
        table: Table::Publish,
        arguments: &["--subscribers", "0"],
        metric: "cpu_us_per_publication",
        once: true,
        shown: &[
            Shown {
                title: "CPU µs",
                field: "cpu_us_per_publication",
            },
            Shown {
                title: "answer p50 ms",
                field: "answer_p50_ms",
            },
            Shown {
                title: "answer p99 ms",
                field: "answer_p99_ms",
            },
        ],
        ..MODE
    },
];
