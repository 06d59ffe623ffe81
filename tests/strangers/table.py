"""The programs: where they lie, at which commit, with which arguments."""

from typing import NamedTuple

COMMITS = {  # what was measured, of github.com/OWNER/NAME
    "MorvanZhou+PyTorch-Tutorial": "dbe154a",
    "chanmuzi+ex-tutorials-kr-2023": "63b85d0",  # holds PyTorch's tutorials of 2023
    "eriklindernoren+PyTorch-GAN": "36d3c77",
    "graykode+nlp-tutorial": "d05e31e",
    "hunkim+PyTorchZeroToAll": "e5a260f",
    "hyoyoung+22-tutorials-ex": "81c369d",  # holds PyTorch's tutorials of 2022
    "jcjohnson+pytorch-examples": "0003fcd",
    "pytorch+examples": "77f55b9",
    "pytorch+functorch": "a6e0e612",  # the branch release/0.2
    "seungeunrho+minimalRL": "c8efed8",
    "yunjey+pytorch-tutorial": "0500d3d",
}


class Row(NamedTuple):
    repository: str
    program: str
    arguments: tuple[str, ...] = ()
    steps: int = 25
    tolerance: float = 1e-3
    timeout: int = 120
    anywhere: bool = False  # start it in an empty directory
    paths: tuple[str, ...] = ()  # further directories to import from


def rows(repository, programs, **options):
    return [Row(repository, program.split()[0], tuple(program.split()[1:]), **options)
            for program in programs]


TABLE = [
    *rows("jcjohnson+pytorch-examples", [
        "nn/dynamic_net.py", "nn/two_layer_net_nn.py", "nn/two_layer_net_module.py",
        "nn/two_layer_net_optim.py", "autograd/two_layer_net_autograd.py",
        "autograd/two_layer_net_custom_function.py", "tensor/two_layer_net_tensor.py"]),
    *rows("graykode+nlp-tutorial", [
        "1-1.NNLM/NNLM.py", "2-1.TextCNN/TextCNN.py", "3-1.TextRNN/TextRNN.py",
        "3-2.TextLSTM/TextLSTM.py", "3-3.Bi-LSTM/Bi-LSTM.py", "4-1.Seq2Seq/Seq2Seq.py",
        "5-2.BERT/BERT.py", "5-1.Transformer/Transformer.py",
        "5-1.Transformer/Transformer(Greedy_decoder).py",
        "4-2.Seq2Seq(Attention)/Seq2Seq(Attention).py",
        "4-3.Bi-LSTM(Attention)/Bi-LSTM(Attention).py",
        "1-2.Word2Vec/Word2Vec-Skipgram(Softmax).py"]),
    *rows("MorvanZhou+PyTorch-Tutorial", ["tutorial-contents/" + name for name in (
        "201_torch_numpy.py", "202_variable.py", "203_activation.py", "301_regression.py",
        "302_classification.py", "303_build_nn_quickly.py", "304_save_reload.py",
        "305_batch_train.py", "306_optimizer.py", "401_CNN.py", "402_RNN_classifier.py",
        "403_RNN_regressor.py", "404_autoencoder.py", "405_DQN_Reinforcement_learning.py",
        "406_GAN.py", "406_conditional_GAN.py", "501_why_torch_dynamic_graph.py", "502_GPU.py",
        "503_dropout.py", "504_batch_normalization.py")], anywhere=True),
    *rows("hunkim+PyTorchZeroToAll", [
        "01_basics.py", "02_manual_gradient.py", "03_auto_gradient.py", "05_linear_regression.py",
        "06_logistic_regression.py", "09_01_softmax_loss.py", "09_2_softmax_mnist.py",
        "10_1_cnn_mnist.py", "11_1_toy_inception_mnist.py", "12_1_rnn_basics.py",
        "12_2_hello_rnn.py", "12_3_hello_rnn_seq.py", "12_4_hello_rnn_emb.py",
        "13_1_rnn_classification_basics.py", "13_4_pack_pad.py"], anywhere=True),
    *rows("yunjey+pytorch-tutorial", ["tutorials/" + name for name in (
        "01-basics/feedforward_neural_network/main.py", "01-basics/linear_regression/main.py",
        "01-basics/logistic_regression/main.py",
        "02-intermediate/bidirectional_recurrent_neural_network/main.py",
        "02-intermediate/convolutional_neural_network/main.py",
        "02-intermediate/deep_residual_network/main.py",
        "02-intermediate/recurrent_neural_network/main.py",
        "03-advanced/generative_adversarial_network/main.py",
        "03-advanced/variational_autoencoder/main.py")], anywhere=True),
    *rows("pytorch+examples", [
        "mnist/main.py --epochs 1", "mnist_forward_forward/main.py --epochs 20",
        "mnist_rnn/main.py --epochs 1", "mnist_hogwild/main.py --epochs 1 --num-processes 1",
        "vae/main.py --epochs 1", "regression/main.py", "siamese_network/main.py --epochs 1",
        "dcgan/main.py --dataset fake --niter 1 --batchSize 16 --ngf 8 --ndf 8 --manualSeed 1",
        "reinforcement_learning/reinforce.py", "reinforcement_learning/actor_critic.py",
        "imagenet/main.py --dummy --epochs 1 -b 8 -j 0",
        "fx/invert.py", "fx/replace_op.py"], anywhere=True),
    *rows("seungeunrho+minimalRL", [
        "REINFORCE.py", "actor_critic.py", "ppo.py", "ppo-lstm.py", "ppo-continuous.py", "dqn.py",
        "ddpg.py", "sac.py", "acer.py", "vtrace.py"], anywhere=True),
    *rows("eriklindernoren+PyTorch-GAN", ["implementations/" + name + " --n_epochs 1" for name in (
        "aae/aae.py", "acgan/acgan.py", "began/began.py", "bgan/bgan.py", "cgan/cgan.py",
        "cluster_gan/clustergan.py", "cogan/cogan.py", "dcgan/dcgan.py", "dragan/dragan.py",
        "ebgan/ebgan.py", "gan/gan.py", "infogan/infogan.py", "lsgan/lsgan.py",
        "relativistic_gan/relativistic_gan.py", "sgan/sgan.py", "softmax_gan/softmax_gan.py",
        "wgan/wgan.py", "wgan_div/wgan_div.py", "wgan_gp/wgan_gp.py")],
          anywhere=True, steps=12),
    *rows("pytorch+functorch", ["examples/" + name for name in (
        "maml_regression/evjang.py", "maml_regression/evjang_transforms.py",
        "maml_regression/evjang_transforms_module.py", "lennard_jones/lennard_jones.py",
        "ensembling/parallel_train.py", "compilation/linear_train.py")], anywhere=True),
    *rows("hyoyoung+22-tutorials-ex", ["beginner_source/" + name for name in (
        "basics/autogradqs_tutorial.py", "basics/buildmodel_tutorial.py",
        "basics/optimization_tutorial.py", "basics/quickstart_tutorial.py",
        "basics/tensorqs_tutorial.py", "basics/transforms_tutorial.py",
        "blitz/autograd_tutorial.py", "blitz/cifar10_tutorial.py",
        "blitz/data_parallel_tutorial.py", "blitz/neural_networks_tutorial.py",
        "blitz/tensor_tutorial.py", "examples_autograd/polynomial_autograd.py",
        "examples_autograd/polynomial_custom_function.py", "examples_nn/dynamic_net.py",
        "examples_nn/polynomial_module.py", "examples_nn/polynomial_nn.py",
        "examples_nn/polynomial_optim.py", "examples_tensor/polynomial_tensor.py",
        "former_torchies/autograd_tutorial_old.py", "former_torchies/nnft_tutorial.py",
        "former_torchies/tensor_tutorial_old.py", "introyt/autogradyt_tutorial.py",
        "introyt/introyt1_tutorial.py", "introyt/modelsyt_tutorial.py",
        "introyt/tensors_deeper_tutorial.py", "introyt/trainingyt.py",
        "nlp/advanced_tutorial.py", "nlp/deep_learning_tutorial.py", "nlp/pytorch_tutorial.py",
        "nlp/sequence_models_tutorial.py", "nlp/word_embeddings_tutorial.py",
        "Intro_to_TorchScript_tutorial.py", "saving_loading_models.py")], anywhere=True),
    *rows("hyoyoung+22-tutorials-ex", [
        *("intermediate_source/" + name for name in (
            "autograd_saved_tensors_hooks_tutorial.py", "custom_function_conv_bn_tutorial.py",
            "forward_ad_usage.py", "fx_conv_bn_fuser.py", "memory_format_tutorial.py",
            "parametrizations.py", "pruning_tutorial.py", "reinforcement_q_learning.py",
            "spatial_transformer_tutorial.py")),
        *("recipes_source/recipes/" + name for name in (
            "amp_recipe.py", "defining_a_neural_network.py", "profiler_recipe.py",
            "save_load_across_devices.py", "saving_and_loading_a_general_checkpoint.py",
            "saving_and_loading_models_for_inference.py", "benchmark.py",
            "saving_multiple_models_in_one_file.py", "what_is_state_dict.py",
            "timer_quick_start.py", "dynamic_quantization.py", "zeroing_out_gradients.py",
            "warmstarting_model_using_parameters_from_a_different_model.py")),
        "prototype_source/vmap_recipe.py"], anywhere=True),
    *rows("chanmuzi+ex-tutorials-kr-2023", ["intermediate_source/" + name for name in (
        "ensembling.py", "per_sample_grads.py", "jacobians_hessians.py",
        "neural_tangent_kernels.py")], anywhere=True),
]
