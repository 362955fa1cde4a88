//! Which views each tower encodes.

use tch::{Device, TchError, Tensor};

/// Which views each tower encodes, as tensors on the device, so that a step copies nothing there.
#[derive(Debug)]
pub(crate) struct TowerOrder {
    /// For each tower that encodes any view its number and the indices of its views.
    parts: Vec<(usize, Tensor)>,
    /// For each view its index among the results of all parts.
    places: Tensor,
}

/// Which views each tower encodes.
#[derive(Debug)]
pub(crate) enum TowerViews {
    /// This tower encodes all of them.
    One(usize),
    /// Several towers share them.
    Several(TowerOrder),
}

impl TowerViews {
    /// A copy that shares the tensors, which never change.
    pub(super) fn share(&self) -> Self {
        match self {
            Self::One(tower) => Self::One(*tower),
            Self::Several(order) => Self::Several(order.share()),
        }
    }

    /// The rows that belong to the views of each tower, after the tower's number. `rows` are `[N, ...]`, in the order of the
    /// views.
    pub(super) fn divide(&self, rows: &Tensor) -> Result<Vec<(usize, Tensor)>, TchError> {
        match self {
            Self::One(tower) => Ok(vec![(*tower, rows.shallow_clone())]),
            Self::Several(order) => {
                let parts = order.parts.iter();
                parts
                    .map(|(tower, own)| Ok((*tower, rows.f_index_select(0, own)?)))
                    .collect()
            }
        }
    }

    /// The rows of all towers, one part for each, in the order of the views.
    pub(super) fn join(&self, parts: &[Tensor]) -> Result<Tensor, TchError> {
        match (self, parts) {
            (Self::One(_), [only]) => Ok(only.shallow_clone()),
            (Self::One(_), parts) => Tensor::f_cat(parts, 0),
            (Self::Several(order), parts) => {
                Tensor::f_cat(parts, 0)?.f_index_select(0, &order.places)
            }
        }
    }

    /// As [`Self::join`], for both of two features.
    pub(super) fn join_features(&self, parts: &[[Tensor; 2]]) -> Result<[Tensor; 2], TchError> {
        let stage = |stage: usize| {
            let parts: Vec<Tensor> = parts
                .iter()
                .map(|part| part[stage].shallow_clone())
                .collect();
            self.join(&parts)
        };
        Ok([stage(0)?, stage(1)?])
    }
}

impl TowerOrder {
    /// Each view is encoded by the tower with its number in `towers`.
    pub(super) fn new(towers: &[usize], device: Device) -> Result<Self, TchError> {
        let mut numbers: Vec<usize> = towers.to_vec();
        numbers.sort_unstable();
        numbers.dedup();
        let mut places = vec![0; towers.len()];
        let mut parts = Vec::with_capacity(numbers.len());
        let mut place = 0;
        for number in numbers {
            let mut own = Vec::new();
            for (view, _) in towers
                .iter()
                .enumerate()
                .filter(|(_, tower)| **tower == number)
            {
                own.push(view as i64);
                places[view] = place;
                place += 1;
            }
            parts.push((number, Tensor::f_from_slice(&own)?.f_to_device(device)?));
        }
        Ok(Self {
            parts,
            places: Tensor::f_from_slice::<i64>(&places)?.f_to_device(device)?,
        })
    }

    /// A copy that shares the tensors, which never change.
    pub(super) fn share(&self) -> Self {
        let parts = self.parts.iter();
        Self {
            parts: parts
                .map(|(number, views)| (*number, views.shallow_clone()))
                .collect(),
            places: self.places.shallow_clone(),
        }
    }
}
