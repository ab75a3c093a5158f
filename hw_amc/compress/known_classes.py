"""Names that a model file may hold: those of Keras and QKeras whose objects only hold numbers and make weights."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODELS = _words("Functional Model Sequential")

#: Layers that do nothing at loading but make weights; the graph's reader says which of them have an exact form. Left
#: out are those that hold code or name functions: Lambda, TFOpLambda, SlicingOpLambda, and RNN with any cell.
LAYERS = _words("""
    Activation ActivityRegularization Add AlphaDropout Average AveragePooling1D AveragePooling2D BatchNormalization
    Bidirectional Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Cropping1D Cropping2D Dense DepthwiseConv1D
    DepthwiseConv2D Dot Dropout ELU Flatten GRU GaussianDropout GaussianNoise GlobalAveragePooling1D
    GlobalAveragePooling2D GlobalMaxPooling1D GlobalMaxPooling2D GroupNormalization InputLayer LSTM LayerNormalization
    LeakyReLU Masking MaxPooling1D MaxPooling2D Maximum Minimum MultiHeadAttention Multiply PReLU Permute ReLU
    RepeatVector Rescaling Reshape SeparableConv1D SeparableConv2D SimpleRNN Softmax SpatialDropout1D SpatialDropout2D
    Subtract ThresholdedReLU TimeDistributed UnitNormalization UpSampling1D UpSampling2D ZeroPadding1D ZeroPadding2D
    QActivation QAdaptiveActivation QAffine QAveragePooling2D QBatchNormalization QBidirectional QConv1D QConv2D
    QConv2DBatchnorm QConv2DTranspose QDense QDepthwiseConv2D QDepthwiseConv2DBatchnorm QGRU QGlobalAveragePooling2D
    QLSTM QMeanPooling QSeparableConv1D QSeparableConv2D QSimpleRNN QTable ReverseTime
""")

QUANTISERS = _words("""
    bernoulli binary quantized_bits quantized_hswish quantized_linear quantized_po2 quantized_relu quantized_relu_po2
    quantized_sigmoid quantized_tanh quantized_ulaw stochastic_binary stochastic_ternary ternary TableActivation
""")

#: Initialisers, regularisers, constraints, types.
OTHERS = _words("""
    Clip Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity L1 L1L2 L2 LecunNormal LecunUniform MaxNorm
    MinMaxNorm NonNeg Ones Orthogonal OrthogonalRegularizer Policy QInitializer RadialConstraint RandomNormal
    RandomUniform TruncatedNormal UnitNorm VarianceScaling Zeros
""")

CLASSES = MODELS | LAYERS | QUANTISERS | OTHERS

#: Plain words in place of objects: activations, and the others in small letters.
WORDS = _words("""
    elu exponential gelu hard_sigmoid hard_tanh leaky_relu linear mish relu relu6 selu sigmoid smooth_sigmoid softmax
    softplus softsign swish silu tanh hw_amc>hard_sigmoid hw_amc>hard_tanh
    hw_amc>steep_sigmoid hw_amc>sine hw_amc>cosine
    constant glorot_normal glorot_uniform he_normal he_uniform identity lecun_normal lecun_uniform ones orthogonal
    random_normal random_uniform truncated_normal uniform normal zeros
    l1 l2 l1_l2 l1l2 clip max_norm min_max_norm non_neg unit_norm
""")
