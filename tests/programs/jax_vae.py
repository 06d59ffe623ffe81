"""A variational autoencoder with stax and Adam; the epoch is a fori_loop under jit."""

import jax
import jax.numpy as jnp
from jax import jit, lax, random
from jax.example_libraries import optimizers, stax
from jax.example_libraries.stax import Dense, FanOut, Relu, Softplus


def gaussian_kl(mu, sigmasq):
    return -0.5 * jnp.sum(1.0 + jnp.log(sigmasq) - mu ** 2.0 - sigmasq)


def gaussian_sample(rng, mu, sigmasq):
    return mu + jnp.sqrt(sigmasq) * random.normal(rng, mu.shape)


def bernoulli_logpdf(logits, x):
    return -jnp.sum(jnp.logaddexp(0.0, jnp.where(x, -1.0, 1.0) * logits))


encoder_init, encode = stax.serial(Dense(16), Relu, FanOut(2), stax.parallel(
    Dense(3), stax.serial(Dense(3), Softplus)))
decoder_init, decode = stax.serial(Dense(16), Relu, Dense(25))


def elbo(rng, params, images):
    enc_params, dec_params = params
    mu_z, sigmasq_z = encode(enc_params, images)
    logits_x = decode(dec_params, gaussian_sample(rng, mu_z, sigmasq_z))
    return bernoulli_logpdf(logits_x, images) - gaussian_kl(mu_z, sigmasq_z)


def main(steps=20):
    key = random.PRNGKey(1)
    k1, k2, k3 = random.split(key, 3)
    images = random.uniform(k3, (40, 25)) < jnp.linspace(0.1, 0.9, 25)
    _, init_encoder = encoder_init(k1, (8, 25))
    _, init_decoder = decoder_init(k2, (8, 3))
    opt_init, opt_update, get_params = optimizers.adam(0.01)

    def binarized(rng, i):
        start = (i % 5) * 8
        batch = lax.dynamic_slice_in_dim(images, start, 8)
        return random.bernoulli(rng, jnp.where(batch, 0.9, 0.1))

    @jit
    def run_epoch(rng, opt_state):
        def body(i, opt_state):
            elbo_rng, data_rng = random.split(random.fold_in(rng, i))
            batch = binarized(data_rng, i)
            loss = lambda params: -elbo(elbo_rng, params, batch) / 8
            return opt_update(i, jax.grad(loss)(get_params(opt_state)), opt_state)

        return lax.fori_loop(0, 2, body, opt_state)

    @jit
    def evaluate(opt_state):
        return elbo(random.PRNGKey(5), get_params(opt_state), images) / 40

    opt_state = opt_init((init_encoder, init_decoder))
    history = []
    for epoch in range(steps):
        opt_state = run_epoch(random.fold_in(key, epoch), opt_state)
        history.append(float(evaluate(opt_state)))
    return history
