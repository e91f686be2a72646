"""Images: generated ones, and readers of the data sets of few-shot learning."""

from __future__ import annotations

from tlml import Spec, hookimpl

_POOL = frozenset({"pair", "episodes", "stream", "classification", "finite"})


@hookimpl
def tlml_domains() -> list[Spec]:
    """Return the domains of images."""
    return [
        Spec(
            "glyphs",
            "tlml_vision.drawn.glyphs:Glyphs",
            "Letters printed in many fonts: N-way tasks, new alphabets as target",
            gives=_POOL,
        ),
        Spec(
            "digits",
            "tlml_vision.drawn.digits:Digits",
            "Printed digits as source (a task is a font), real handwriting as target",
            paper="Alpaydin & Kaynak 1998, UCI, doi.org/10.24432/C50P49 (handwriting)",
            gives=_POOL,
        ),
        Spec(
            "digit_vectors",
            "tlml_vision.drawn.digit_vectors:DigitVectors",
            "Printed and handwritten digits as vectors without labels, to be reconstructed",
            paper="Alpaydin & Kaynak 1998, UCI, doi.org/10.24432/C50P49 (handwriting)",
            gives=frozenset({"pair", "episodes", "reconstruction", "finite"}),
        ),
        Spec(
            "rotated_digits",
            "tlml_vision.drawn.rotated_digits:RotatedDigits",
            "Handwritten digits; a task is an angle that they are turned by",
            paper="Ghifary et al. 2015, arXiv 1508.07680 (turned MNIST)",
            gives=_POOL,
        ),
        Spec(
            "omniglot",
            "tlml_vision.readers.omniglot:Omniglot",
            "Handwritten characters of 50 alphabets, each quarter turn a class",
            paper="Lake et al. 2015, doi.org/10.1126/science.aab3050",
            gives=_POOL,
        ),
        Spec(
            "mini_imagenet",
            "tlml_vision.readers.mini_imagenet:MiniImageNet",
            "100 classes of ImageNet with 600 photographs each",
            paper="Vinyals et al. 2016, arXiv 1606.04080; Ravi & Larochelle 2017 (split)",
            gives=_POOL,
        ),
        Spec(
            "cifar_fs",
            "tlml_vision.readers.cifar_fs:CifarFs",
            "The classes of CIFAR-100, divided at random",
            paper="Bertinetto et al. 2019, arXiv 1805.08136",
            gives=_POOL,
        ),
        Spec(
            "fc100",
            "tlml_vision.readers.fc100:FC100",
            "The classes of CIFAR-100, divided by superclass: a target far from the source",
            paper="Oreshkin et al. 2018, arXiv 1805.10123",
            gives=_POOL,
        ),
        Spec(
            "tiered_imagenet",
            "tlml_vision.readers.tiered_imagenet:TieredImageNet",
            "608 classes of ImageNet, divided by the categories above them",
            paper="Ren et al. 2018, arXiv 1803.00676",
            gives=_POOL,
        ),
        Spec(
            "cub",
            "tlml_vision.readers.cub:Cub",
            "200 species of birds, told apart by details",
            paper="Wah et al. 2011 (data); Chen et al. 2019, arXiv 1904.04232 (split)",
            gives=_POOL,
        ),
        Spec(
            "image_folder",
            "tlml_vision.readers.family_folder:ImageFolder",
            "Any folders of images with the same classes: one as source, another as target",
            gives=_POOL,
        ),
        Spec(
            "office31",
            "tlml_vision.readers.office31:Office31",
            "31 things of an office: a shop's pictures, a camera's, a webcam's",
            paper="Saenko et al. 2010, doi.org/10.1007/978-3-642-15561-1_16",
            gives=_POOL,
        ),
        Spec(
            "visda",
            "tlml_vision.readers.visda:VisDA",
            "Renderings of 12 things as source, photographs of them as target",
            paper="Peng et al. 2017, arXiv 1710.06924",
            gives=_POOL,
        ),
        Spec(
            "digits_three",
            "tlml_vision.readers.digits_three:DigitsThree",
            "Digits of house numbers (SVHN), forms (MNIST) and envelopes (USPS)",
            paper="Netzer et al. 2011; LeCun et al. 1998; Hull 1994",
            gives=_POOL,
        ),
    ]
