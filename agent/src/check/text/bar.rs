//! The headroom of a threshold as a bar.

use super::UNKNOWN;
use crate::{
    answer::{Cell, Tone},
    check::in_force::InForce,
};

/// Cells of a bar.
const WIDTH: i128 = 10;

/// How much of what lies above the threshold is left: full when nothing is used, empty when it is met.
pub fn headroom(row: &InForce) -> Cell {
    let (Some(seen), Some(quantity), Some(distance)) = (row.seen, row.quantity(), row.distance())
    else {
        return Cell::plain(UNKNOWN);
    };
    let room = i128::from(seen.capacity) - i128::from(quantity);
    let distance = i128::from(distance).max(0);
    if room <= 0 {
        return Cell::new(Tone::Bad, bar(0));
    }
    // One cell as long as anything is left.
    let filled = (distance * WIDTH + room / 2) / room;
    let filled = filled.clamp(i128::from(distance > 0), WIDTH);
    let tone = match filled {
        0..=1 => Tone::Bad,
        2..=3 => Tone::Fair,
        _ => Tone::Good,
    };
    Cell::new(tone, bar(filled))
}

fn bar(filled: i128) -> String {
    (0..WIDTH).map(|i| if i < filled { '█' } else { '░' }).collect()
}

#[cfg(test)]
mod tests {
    use evictd_core::Signal;

    use super::*;
    use crate::check::sample::Case;

    #[test]
    fn the_bar_is_what_is_left_above_the_threshold() {
        let case = Case::evictd("evictionHard: {pid.available: \"1000\"}\n");
        for (available, capacity, filled) in [
            (11_000, 11_000, 10),
            (6_000, 11_000, 5),
            (1_001, 11_000, 1),
            (1_000, 11_000, 0),
            (-5, 11_000, 0),
            (900, 900, 0),
        ] {
            let mut row = case.rows()[0].clone();
            row.seen =
                row.seen.map(|seen| evictd_core::SignalObservation { available, capacity, ..seen });
            assert_eq!(row.signal(), Signal::PidAvailable);
            assert_eq!(headroom(&row).text(), bar(filled), "{available} of {capacity}");
        }
    }

    #[test]
    fn the_unknown_has_no_bar() {
        let mut row = Case::evictd("evictionHard: {pid.available: \"1000\"}\n").rows()[0].clone();
        row.seen = None;
        assert_eq!(headroom(&row).text(), UNKNOWN);
    }
}
