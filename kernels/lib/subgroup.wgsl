// Where an invocation is among those of its subgroup that are there. WGSL says neither how many they are nor which of the workgroup's
// invocations they are, and a subgroup need not be full.
#enable subgroups

struct SubgroupPlace { rank: u32, count: u32 }

fn placeInSubgroup() -> SubgroupPlace { return SubgroupPlace(subgroupExclusiveAdd(1u), subgroupAdd(1u)); }
