// int16 in words of memory, two to a word.
fn int16(word: u32, half: u32) -> f32 { return f32(extractBits(bitcast<i32>(word), 16u * half, 16u)); }

fn fourOf(words: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(int16(words.x, 0u), int16(words.x, 1u), int16(words.y, 0u), int16(words.y, 1u));
}
