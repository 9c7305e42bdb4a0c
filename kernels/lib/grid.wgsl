// Which piece of work is an invocation's, where one dimension of workgroups does not hold them all.

fn linearWorkgroup(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.y * workgroups.x + workgroup.x;
}
