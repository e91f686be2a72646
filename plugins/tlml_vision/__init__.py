"""Images: generated ones, and readers of the data sets of few-shot learning."""

from __future__ import annotations

from tlml import Spec, hookimpl

_POOL = frozenset({"pair", "episodes", "stream", "classification", "finite"})
_VECTORS = frozenset({"pair", "episodes", "reconstruction", "finite"})


@hookimpl
def tlml_domains() -> list[Spec]:
    """Return the domains of images."""
    return [
        Spec(name, f"tlml_vision.{target}", summary, paper=paper, gives=gives)
        for name, target, gives, summary, paper in _DOMAINS
    ]


# Name, class below this package, what it gives, summary and paper.
_DOMAINS: tuple[tuple[str, str, frozenset[str], str, str], ...] = (
    ("glyphs", "drawn.glyphs:Glyphs", _POOL,
     "Letters printed in many fonts: N-way tasks, new alphabets as target", ""),
    ("digits", "drawn.digits:Digits", _POOL,
     "Printed digits as source (a task is a font), real handwriting as target",
     "Alpaydin & Kaynak 1998, UCI, doi.org/10.24432/C50P49 (handwriting)"),
    ("digit_vectors", "drawn.digit_vectors:DigitVectors", _VECTORS,
     "Printed and handwritten digits as vectors without labels, to be reconstructed",
     "Alpaydin & Kaynak 1998, UCI, doi.org/10.24432/C50P49 (handwriting)"),
    ("rotated_digits", "drawn.rotated_digits:RotatedDigits", _POOL,
     "Handwritten digits; a task is an angle that they are turned by",
     "Ghifary et al. 2015, arXiv 1508.07680 (turned MNIST)"),
    ("omniglot", "readers.omniglot:Omniglot", _POOL,
     "Handwritten characters of 50 alphabets, each quarter turn a class",
     "Lake et al. 2015, doi.org/10.1126/science.aab3050"),
    ("mini_imagenet", "readers.mini_imagenet:MiniImageNet", _POOL,
     "100 classes of ImageNet with 600 photographs each",
     "Vinyals et al. 2016, arXiv 1606.04080; Ravi & Larochelle 2017 (split)"),
    ("cifar_fs", "readers.cifar_fs:CifarFs", _POOL,
     "The classes of CIFAR-100, divided at random", "Bertinetto et al. 2019, arXiv 1805.08136"),
    ("fc100", "readers.fc100:FC100", _POOL,
     "The classes of CIFAR-100, divided by superclass: a target far from the source",
     "Oreshkin et al. 2018, arXiv 1805.10123"),
    ("tiered_imagenet", "readers.tiered_imagenet:TieredImageNet", _POOL,
     "608 classes of ImageNet, divided by the categories above them",
     "Ren et al. 2018, arXiv 1803.00676"),
    ("cub", "readers.cub:Cub", _POOL,
     "200 species of birds, told apart by details",
     "Wah et al. 2011 (data); Chen et al. 2019, arXiv 1904.04232 (split)"),
    ("image_folder", "readers.family_folder:ImageFolder", _POOL,
     "Any folders of images with the same classes: one as source, another as target", ""),
    ("office31", "readers.office31:Office31", _POOL,
     "31 things of an office: a shop's pictures, a camera's, a webcam's",
     "Saenko et al. 2010, doi.org/10.1007/978-3-642-15561-1_16"),
    ("visda", "readers.visda:VisDA", _POOL,
     "Renderings of 12 things as source, photographs of them as target",
     "Peng et al. 2017, arXiv 1710.06924"),
    ("digits_three", "readers.digits_three:DigitsThree", _POOL,
     "Digits of house numbers (SVHN), forms (MNIST) and envelopes (USPS)",
     "Netzer et al. 2011; LeCun et al. 1998; Hull 1994"),
    ("rotated_mnist", "streams.mnist:RotatedMnist", _POOL,
     "MNIST's handwritten digits; a task is an angle that they are turned by",
     "Lopez-Paz & Ranzato 2017, arXiv 1706.08840"),
    ("permuted_mnist", "streams.mnist:PermutedMnist", _POOL,
     "MNIST's handwritten digits; a task is an order of their pixels",
     "Kirkpatrick et al. 2017, arXiv 1612.00796"),
    ("many_permutations", "streams.mnist:ManyPermutations", _POOL,
     "A hundred orders of the pixels of MNIST's digits",
     "Riemer et al. 2019, arXiv 1810.11910"),
    ("split_mnist", "streams.mnist:SplitMnist", _POOL,
     "MNIST's digits, two of which make a task of a stream",
     "Zenke, Poole & Ganguli 2017, arXiv 1703.04200"),
    ("split_fashion", "streams.mnist:SplitFashion", _POOL,
     "Fashion-MNIST's ten classes, two of which make a task of a stream",
     "Xiao, Rasul & Vollgraf 2017, arXiv 1708.07747 (data)"),
    ("permuted_digits", "streams.digits:PermutedDigits", _POOL,
     "Handwritten digits that need no files; a task is an order of their pixels",
     "Alpaydin & Kaynak 1998, UCI, doi.org/10.24432/C50P49 (handwriting)"),
    ("split_digits", "streams.digits:SplitDigits", _POOL,
     "Handwritten digits that need no files, two of which make a task of a stream",
     "Alpaydin & Kaynak 1998, UCI, doi.org/10.24432/C50P49 (handwriting)"),
)  # fmt: skip
