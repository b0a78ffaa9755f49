"""`GenerativeConvNet`: the Keras model that learns and samples p(x; w) = exp[f(x; w)] q(x) / Z."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from genconv_tf import banks, checks, noise, pyramid, sizes, synthesis
from genconv_tf import learning as ml
from genconv_tf.data.preprocessing import Preprocessing
from genconv_tf.energy import Reference, energy, log_density_gradient, reconstruct
from genconv_tf.precision import resolve
from genconv_tf.rows import each_row, first_of, size_of
from genconv_tf.sampler import Sampler
from genconv_tf.settings import made, plain
from genconv_tf.validation import Validation
from genconv_tf.windows import random_window


@keras.saving.register_keras_serializable("genconv_tf")
class GenerativeConvNet(keras.Model):
    """Energy-based model of textures, objects, videos and sounds.

    Args:
        layers: the scoring function of a level, a list of `Layer` or of their arguments; a list of
            such lists gives each level its own, coarse to fine.
        rank: number of spatial axes: 1 for sound, 2 for images, 3 for video (time first).
        channels: of the data.
        levels: number of levels of the pyramid; 1 is the plain model of the papers.
        factor: ratio of size between two levels, one int or one per axis.
        boundary: of the chains: `"torus"`, `"same"` or `"valid"`, one or one per axis.
        weight_init, weight_scale: see `ScoringNetwork`; a list of scales gives each level its own.
        bank: arguments of `banks.make`, of a FRAME model: given filters that all levels stand on.
        reference: a `Reference` or its arguments.
        sampler: a `Sampler` or its arguments.
        learning: a `Learning` or its arguments.
        preprocessing: a `Preprocessing` or its arguments: what turns media into x and back.
        size: lengths that training chains have, and samples unless they are told otherwise.
        precision: dtype of the convolutions, `"float32"`, `"bfloat16"`, or `"auto"` for what is
            faster on the machine that runs the model. All else is float32.
        seed: of weights and noise.
    """

    def __init__(
        self,
        layers,
        rank=2,
        channels=3,
        levels=1,
        factor=2,
        boundary="torus",
        weight_init="he",
        weight_scale=0.3,
        bank=None,
        reference=None,
        sampler=None,
        learning=None,
        preprocessing=None,
        size=224,
        precision="float32",
        seed=0,
        **kwargs,
    ):
        super().__init__(**{"name": "generative_conv_net", **kwargs})
        checks.check_shape(rank, levels, channels, seed)
        size, factor = sizes.lengths(size, rank), sizes.lengths(factor, rank, "factor")
        self.reference = made(Reference, reference)
        self.sampler = made(Sampler, sampler)
        self.learning = made(ml.Learning, learning)
        self.preprocessing = made(Preprocessing, preprocessing)
        checks.check_calibrated(self.sampler, self.learning)
        self.rank, self.channels, self.size, self.seed = rank, channels, size, seed
        self._config = {
            "layers": layers, "rank": rank, "channels": channels, "levels": levels,
            "factor": factor, "boundary": boundary, "weight_init": weight_init,
            "weight_scale": weight_scale, "bank": bank, "size": size, "precision": precision,
            "seed": seed,
        }  # fmt: skip
        resolved = resolve(precision, exact=self.sampler.adjusted)
        own = ("layers", "rank", "boundary", "weight_init", "weight_scale")
        network = {name: self._config[name] for name in own}
        if bank is not None:
            network["bank"] = banks.of_recipe(bank, self.preprocessing.affine(channels))
            self._config["bank"] = network["bank"].config
        network["dtype"] = "mixed_bfloat16" if resolved == "bfloat16" else "float32"
        how = seed, self.reference, self.sampler, self.preprocessing, size, channels
        self.levels = pyramid.make_levels(levels, factor, network, *how)
        self.networks = [level.network for level in self.levels]
        self.calibrations = [lv.calibration for lv in self.levels if lv.calibration is not None]
        self.built = True
        self.chains = None
        self._validation = Validation()

    # -- the model ---------------------------------------------------------------------------

    @property
    def finest(self):
        return self.levels[-1]

    @property
    def media_size(self):
        """Lengths of a sample of the training size, in samples of the media."""
        hop = self.preprocessing.hop
        frames = sizes.frames(self.levels, hop * np.array(self.size), hop)
        return tuple((hop * frames).tolist())

    @property
    def least_size(self):
        """Lengths of the smallest sample, in samples of the media."""
        return tuple(self.preprocessing.hop * n for n in sizes.least_size(self.levels))

    @property
    def only_size(self):
        """The one length that samples can have along axes which a layer, or a mean that differs
        from place to place, covers whole; `None` along the others."""
        return self.preprocessing.only_size(sizes.only_size(self.levels, self.media_size))

    def call(self, x):
        """`score`, so that the model composes with others as any Keras model."""
        return self.score(x)

    def score(self, x):
        """f(x; w) of the finest level, `(batch,)`, from `(batch, *spatial, channels)`."""
        return self.finest.network(x)

    def energy(self, x):
        """U(x) = ‖x‖²/(2s²) - f(x), `(batch,)`."""
        return energy(self.finest.network, self.reference, x)

    def log_density_gradient(self, x):
        """∂ log p / ∂x, of the shape of `x`."""
        return log_density_gradient(self.finest.network, self.reference, x)

    def reconstruct(self, x):
        """s²·∂f/∂x, the mean of the Gaussian piece of `x`, of its shape."""
        return reconstruct(self.finest.network, self.reference, x)

    # -- learning ----------------------------------------------------------------------------

    def compile(self, optimizer=None, **kwargs):
        """As `keras.Model.compile`; without an optimizer, that of the model's `learning`."""
        optimizer = keras.optimizers.get(optimizer or self.learning.make_optimizer())
        checks.check_optimizer(optimizer)
        kwargs["auto_scale_loss"] = False  # that of a half policy: there is no loss
        super().compile(optimizer=optimizer, **kwargs)

    def compile_from_config(self, config):
        """Of `keras.models.load_model`: compile as the model that was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def build_chains(self, data_size=None):
        """Make the chains that `fit` uses; it calls this itself at its first update."""
        how = self.learning, data_size or self.size, self.size, self.channels
        self.chains = synthesis.chains_of(self.levels, *how)
        self.train_function = self.test_function = None  # what Keras traced is of other chains

    def fit(self, x=None, *args, calibration_data=None, **kwargs):
        """As `keras.Model.fit`, on a dataset of `(batch, *spatial, channels)` float32. It ends with
        `calibrate`, of `calibration_data` or else of `x`."""
        if not self.compiled:
            self.compile()
        if self.chains is None:
            self.build_chains(size_of(x))
        self.optimizer.build(self.trainable_variables)
        kwargs.setdefault("shuffle", False)  # A dataset has an order of its own.
        history = super().fit(x, *args, **kwargs)
        if self.calibrations:
            self.calibrate(x if calibration_data is None else calibration_data)
        for callback in tf.nest.flatten(kwargs.get("callbacks")):
            getattr(callback, "on_fit_end", lambda: None)()
        return history

    def calibrate(self, x, num=None, seed=0):
        """Learn the calibrations of a calibrated sampler anew, of the weights as they are now.

        `fit` ends with this; after a change of weights or sampler, call it.

        Args:
            x: data as of `fit`; of a generator, whose first is gone, nothing is learned.
            num, seed: of the fresh samples, of the training size, that it learns from: 8, or of
                sounds of subbands 24, by default.
        """
        data = first_of(x)
        if data is not None:
            num = num or max((each.samples for each in self.calibrations), default=8)
            synthesis.calibrate(self.levels, data, noise.row_seeds(seed, num), self.size)

    def train_step(self, data):
        """Algorithm 1: Langevin chains at every level, then one ascent of the likelihood."""
        observed = self.observe(data)
        chains = self.advance_chains(observed)
        gradients, variables = [], []
        for i, network in enumerate(self.networks):
            gap, gradient = self.level_gradient(i, observed[i], chains[i])
            gradients += [ml.clip_largest(g, self.learning.clip) for g in gradient]
            variables += network.trainable_variables
        ml.apply(self.optimizer, gradients, variables, *ml.factors(self.learning, self.networks))
        return {
            "energy_gap": gap,
            "gradient": tf.linalg.global_norm(gradients),
            "spread": tf.math.reduce_std(chains[-1]),
            "excess": ml.excess(chains, observed),
        }

    def test_step(self, data):
        """Of held-out data the score per position, and the energy gap to the chains."""
        return self._validation.step(self, data)

    metrics = property(lambda self: self._validation.metrics(self.chains))

    def _update_seeds(self, count):
        return noise.update_seeds(self.seed, count, self.optimizer.iterations)

    def observe(self, x):
        """What every level learns from at this update, coarse to fine, of data `x`."""
        x = checks.as_data(x, self.levels, self.channels, self.size)
        phases = sizes.phases_of(self.levels, x.shape[1:-1])
        x = random_window(x, phases, self._update_seeds(1), -6)
        observed = pyramid.levels_of(x, self.levels)
        iteration = tf.cast(self.optimizer.iterations, tf.int32)
        return synthesis.learned_from(observed, self.chains, self.learning, iteration)

    def advance_chains(self, observed):
        """Run the chains of every level on, coarse to fine, restarting some of them.

        Args:
            observed: the data of every level, where the chains of contrastive divergence start.

        Returns:
            The chains of every level, `(chains, *spatial, channels)`.
        """
        seeds = self._update_seeds(self.chains.states[0].shape[0])
        how = self.learning, observed, seeds, tf.cast(self.optimizer.iterations, tf.int32)
        chains, shown = synthesis.advance(self.levels, self.chains, *how)
        for state, chain in zip(self.chains.states, chains):
            state.assign(chain)
        return shown

    def level_gradient(self, i, data, chains):
        """Energy gap of level i, and what its weights descend: -log-likelihood and penalty."""
        seeds = noise.fold(self._update_seeds(1), i)
        data = random_window(data, self.chains.windows[i], seeds, -5)
        chains, edge = self.chains.seen(i, chains, self.networks[i])
        penalty = pyramid.per_level(self.learning.overshoot_penalty, len(self.levels))[i]
        how = self.learning, penalty, seeds, tf.cast(self.optimizer.iterations, tf.int32)
        return ml.level_gradient(self.levels[i], data, chains, edge, *how)

    # -- sampling ----------------------------------------------------------------------------

    def sample(self, num=1, size=None, seed=0, steps=0, until=None, first=0):
        """Sample afresh, from noise.

        Args:
            num: number of samples.
            size: lengths of the media, one int or one per axis; the training size by default. On a
                torus the samples tile seamlessly, if it is a multiple of any strides. A sound of
                subbands is longer by what makes its frames, and strides over them, whole.
            seed: int. Sample i is the same whatever `num` is.
            steps: Langevin steps a level, 0 for the model's own.
            until: how many of all these steps, coarse levels first, before the chains are shown.
            first: number of the first of these samples among those of the seed.

        Returns:
            NumPy array of media, for images `(num, height, width, 3)` uint8.
        """
        size = checks.check_sample(self, num, size, steps, first)
        seeds, until = noise.row_seeds(seed, num, first), checks.check_until(until)
        size, steps = tf.constant(size), tf.constant(steps, tf.int32)
        return self.sample_media(seeds, size, steps, until).numpy()

    def recover(self, media, mask, seed=0, steps=0, first=0):
        """Sample the masked part of media given the rest.

        Args:
            media: `(batch, *size, channels)` of the preprocessing's dtype.
            mask: `(batch, *size)`, 1 where media are to be sampled, 0 elsewhere.
            seed, steps, first: as in `sample`.

        Returns:
            NumPy array like `media`; what is not masked is unchanged.
        """
        checks.check_mask(media, mask)
        checks.check_media(self, media)
        seeds = noise.row_seeds(seed, len(media), first)
        mask, steps = tf.constant(mask, tf.float32), tf.constant(steps, tf.int32)
        return self.recover_media(tf.constant(media), mask, seeds, steps).numpy()

    def vary(self, media, strength=0.6, seed=0, steps=0, first=0):
        """Sample near media: chains start from them, at a level in the middle, instead of noise.

        Args:
            media: `(batch, *size, channels)` of the preprocessing's dtype.
            strength: in (0, 1], the share of the pyramid that is run, from the fine end. Of four
                levels 0.25 runs the finest on, as `continue_chain` does, and less only the last of
                its steps; 1 runs them all, from media averaged down to the coarsest.
            seed, steps, first: as in `sample`.

        Returns:
            NumPy array like `media`.
        """
        level, begun = pyramid.entry(len(self.levels), strength)
        checks.check_media(self, media)
        media, seeds = tf.constant(media), noise.row_seeds(seed, len(media), first)
        steps, begun = tf.constant(steps, tf.int32), tf.constant(begun)
        return self.vary_media(media, seeds, steps, begun, level).numpy()

    def sample_media(self, seeds, size, steps, until=checks.END):
        """Fresh media from `seeds` (batch, 2), `size` (rank,), `steps` () and `until` (): all int32
        tensors."""
        # One graph with and without `until`: tracing it is much of what an export takes.
        return self._sample_media(seeds, size, steps, tf.convert_to_tensor(until))

    @tf.function(input_signature=checks.SAMPLED, autograph=False)
    def _sample_media(self, seeds, size, steps, until):
        size = tf.ensure_shape(size, [self.rank])
        size = sizes.frames(self.levels, size, self.preprocessing.hop)

        def sample(seeds):
            x = pyramid.generate(self.levels, seeds, size, self.channels, steps, until=until)
            return self.preprocessing.decode(x)

        return each_row(sample, seeds)

    @tf.function(reduce_retracing=True, autograph=False)
    def continue_chain(self, x, seeds, steps):
        """Run chains `x` on at the finest level: `(batch, *spatial, channels)`."""
        return each_row(lambda x, seeds: self.finest.langevin(x, seeds, steps), x, seeds)

    @tf.function(reduce_retracing=True, autograph=False)
    def vary_media(self, media, seeds, steps, begun, level):
        """Media of chains that start from `media` at a level, see `pyramid.generate`."""
        how = {"first": level, "begun": begun}
        return each_row(lambda media, seeds: self._given(media, seeds, steps, **how), media, seeds)

    @tf.function(reduce_retracing=True, autograph=False)
    def recover_media(self, media, mask, seeds, steps):
        """Media with the pixels of `mask` > 0, `(batch, *spatial)`, sampled given the others."""
        mask = checks.hidden(mask, media)

        def recover(media, mask, seeds):
            hidden = self.preprocessing.positions(mask)[..., None]
            return self._given(media, seeds, steps, mask=hidden)

        given = tf.cast(mask[..., None] > 0, media.dtype)
        return given * each_row(recover, media, mask, seeds) + (1 - given) * media

    def _given(self, media, seeds, steps, **how):
        known = self.preprocessing.encode(media)
        size = tf.shape(known)[1:-1]
        x = pyramid.generate(self.levels, seeds, size, self.channels, steps, known, **how)
        return self.preprocessing.decode(x)

    # -- configuration -----------------------------------------------------------------------

    def get_config(self):
        parts = ("reference", "sampler", "learning", "preprocessing")
        return {
            "name": self.name,
            **self._config,
            "layers": plain(self._config["layers"]),
            **{part: dataclasses.asdict(getattr(self, part)) for part in parts},
        }

    def twin(self, **changes):
        """A model of the same weights with other arguments, and without chains or optimizer."""
        twin = type(self).from_config({**self.get_config(), **changes})
        own, made = ([*m.networks, *m.calibrations] for m in (self, twin))
        for layer, other in zip(own, made):  # One may have no calibrations; new ones do nothing.
            other.set_weights(layer.get_weights())
        return twin

    @classmethod
    def from_recipe(cls, recipe, data=None, **changes):
        """A new model from a recipe's name or file.

        Args:
            recipe: a name that `genconv list` shows, or the path of a TOML file.
            data: dataset whose preprocessing and size the model takes over.
            **changes: replace settings, nested ones by a dotted key in a dict:
                `**{"learning.updates": 100}`.
        """
        from genconv_tf import recipes

        return cls(**recipes.model_config(recipe, data, changes))

    @classmethod
    def from_preset(cls, preset):
        """A learned model from a folder that `save_to_preset` wrote, or from a name that
        `gct.list_presets` shows; wildcards must match one name. A name that is neither shipped nor
        downloaded yet is looked for on the server that the environment's GENCONV_URL names."""
        from genconv_tf import presets

        return presets.load(preset, cls)

    def save_to_preset(self, folder, **card):
        """Write config.json, model.weights.h5, metadata.json and a model card into `folder`."""
        from genconv_tf import presets

        presets.save(self, folder, **card)

    def export(self, folder, **kwargs):
        """Write a SavedModel that samples without this package; see `genconv_tf.export`."""
        from genconv_tf import export

        export.export(self, folder, **kwargs)
