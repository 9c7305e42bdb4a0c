/** What goes into and comes out of the methods of `Network`. */
import type { AugmentAttributes } from '../ops/augment.js';
import type { ImageInput } from './imageInput.js';
import type { OptimizerSettings } from './optimizer.js';
import type { Average } from './profile.js';
import type { WeightSource } from './weights.js';

/** Names of parameters ('conv1.weight') or of layers ('conv1': all of its parameters), or a test of a parameter's name. */
export type Frozen = readonly string[] | ((parameter: string) => boolean);

/**
 * A batch: float32 [N, C, H, W], preprocessed as the model wants it; or, for a network with an `input`, stored bytes
 * [N, ...input.shape], which are cropped and normalised on the device.
 */
export type Images = Float32Array | Uint8Array;

/**
 * Of all parameters, or of each by its name ('conv1.weight'): finite and at least 0. Where a function says 0 the parameter is left alone
 * in that step, and nothing is computed for it. A program is compiled for each way in which parameters share rates, not for their
 * values.
 */
export type LearningRate = number | ((parameter: string) => number);

export interface NetworkOptions {
  /** Of initial values and of dropout: an integer from 0 to 2⁵³ − 1; 1 by default. */
  readonly seed?: number;
  /** Parameters that `step` leaves alone; nothing is computed for them. */
  readonly frozen?: Frozen;
  /** Replaces attributes of the optimizer in the model's recipe; another kind ('sgd', 'adam') replaces all of it. */
  readonly optimizer?: OptimizerSettings;
  /** Of `step`; that of the model's recipe by default. */
  readonly learningRate?: number;
  /** How stored images become the network's input; without it images are float32 only. */
  readonly input?: ImageInput;
  /** Parameters that are not drawn but given. */
  readonly weights?: WeightSource;
  /**
   * How the weights of fully connected layers are stored, 'float32' by default. 'int16' is LOSSY and for inference only: integers with
   * one float32 scale for each output, half the memory and about half the time of these layers at small batch. `quantisation` tells
   * what was lost; `read` gives the rounded weights; `step` and `gradients` are refused.
   */
  readonly linearWeights?: 'float32' | 'int16';
  /** Forces algorithms: node name or op name → algorithm name. */
  readonly algorithms?: Readonly<Record<string, string>>;
}

export interface ForwardOptions {
  /** Arrays that results are written into, by name; the others get fresh ones. */
  readonly into?: Readonly<Record<string, Float32Array>>;
  /** Also returns what these nodes compute ('conv1', 'relu1', …); true for all of them. Nothing is fused across them. */
  readonly layers?: boolean | readonly string[];
  /**
   * Of stored images: attributes of `augment` that replace those of `input.inference`, such as one of `tenCrops`. A program is compiled for
   * each view, and nothing in it may be left to chance.
   */
  readonly view?: Partial<AugmentAttributes>;
  readonly signal?: AbortSignal;
}

export interface ForwardResult {
  /** [N, classes] */
  readonly logits: Float32Array;
  /** Softmax of the logits, [N, classes]. */
  readonly probabilities: Float32Array;
  /** By node name; empty unless asked for. */
  readonly layers: Readonly<Record<string, Float32Array>>;
}

export interface StepOptions {
  /** That of the network by default. */
  readonly learningRate?: LearningRate;
  /**
   * Images that the device holds at one time; all by default. The gradient of a larger batch is the sum over such parts (the last one may
   * be smaller), each weighed by its share of the batch, and is followed by one update: the figures and the update are those of the
   * whole batch but for the order of the sums. Chance is drawn anew in each part: part m of step s draws dropout and augmentation with
   * the counter s + m·2⁵³, so that part 0 draws what a step without parts draws. At most 2,048 parts.
   */
  readonly microBatch?: number;
  /** False leaves out the colour noise of the network's `input`, and the division that goes with it. */
  readonly colourNoise?: boolean;
  readonly signal?: AbortSignal;
}

/** Figures of one training step, of before its update. */
export interface Step {
  readonly batch: number;
  /** Mean cross-entropy over the batch. It may be infinite or NaN: training that diverges is for the caller to see. */
  readonly loss: Promise<number>;
  /** Share of the batch, from 0 to 1, whose label has the largest logit, or one of the five largest. */
  readonly top1: Promise<number>;
  readonly top5: Promise<number>;
}

export interface GradientsOptions {
  /**
   * Names of parameters, or 'images' for the gradient with respect to the input [N, C, H, W] (of stored images, to what is made of them);
   * all parameters that are not frozen by default.
   */
  readonly of?: readonly string[];
  /**
   * False leaves all chance out: there is no dropout, and stored images are treated as in `forward`. Otherwise masks, crops and noise are
   * those of the next `step`.
   */
  readonly dropout?: boolean;
  readonly into?: Readonly<Record<string, Float32Array>>;
  readonly signal?: AbortSignal;
}

export interface GradientsResult {
  readonly loss: number;
  /** [N, classes] */
  readonly logits: Float32Array;
  /** ∂loss/∂value by the value's name, in its shape. */
  readonly gradients: Readonly<Record<string, Float32Array>>;
}

export interface VariableInfo {
  readonly name: string;
  readonly shape: readonly number[];
  /** 'state' belongs to the optimizer ('conv1.weight/momentum'). */
  readonly role: 'parameter' | 'state';
  readonly frozen: boolean;
}

export interface ProfileOptions {
  /** Timed runs, 5 by default, after one that is not counted. */
  readonly repeats?: number;
  /** Of the repeats: 'median' by default. */
  readonly average?: Average;
  readonly signal?: AbortSignal;
}

export interface PlanOptions {
  readonly mode: 'inference' | 'training';
  readonly batch: number;
  /** Of stored images, for a network with an `input`; of float32 images by default. */
  readonly bytes?: boolean;
}
