/**
 * The share of images whose label is among the k largest logits. Of equal logits the lower class comes first; a logit
 * that is NaN is never right.
 *
 * @param logits [N, classes]
 * @param labels [N]
 */
export function topAccuracy(logits: Float32Array, classes: number, labels: Int32Array, k: number): number {
  let right = 0;
  for (let n = 0; n < labels.length; n++) {
    const own = logits[n * classes + labels[n]];
    let ahead = 0;
    for (let c = 0; c < classes && ahead < k; c++) {
      const other = logits[n * classes + c];
      if (!(other < own) && (other !== own || c < labels[n])) ahead++;
    }
    if (ahead < k) right++;
  }
  return right / labels.length;
}
