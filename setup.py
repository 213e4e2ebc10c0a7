"""What pip needs to know; the settings of the development tools are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="beamscribe",
    version="0.1.0",
    description="Offline batch transcription of speech: Apache Beam, PyTorch and CTC",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    # flashlight-text has wheels up to CPython 3.12.
    python_requires=">=3.11,<3.13",
    packages=find_packages(
        include=["pipeline", "pipeline.*", "transforms", "transforms.*", "models", "models.*"]
    ),
    package_data={
        "models.weights": [
            "**/*.safetensors",
            "**/*.json",
            "**/*.tsv.gz",
            "**/*.kenlm",
            "**/LICENSE*",
        ],
    },
    entry_points={"console_scripts": ["beamscribe = pipeline.cli:command"]},
    install_requires=[
        "apache-beam>=2.77,<2.78",
        # Bundles FFmpeg: mp3, m4a, mp4, webm and all that libsndfile does not read.
        "av>=18,<19",
        # torchaudio 2.11 refuses torch 2.15, which is built for another CUDA.
        "torch>=2.11,<2.15",
        "torchaudio>=2.11,<2.12",
        # Its wheel holds the KenLM library; the kenlm package is not needed.
        "flashlight-text>=0.0.7,<0.0.8",
        "fsspec[http]>=2026.9",
        "jiwer>=4,<5",
        "numpy>=2.4,<2.5",
        # Processes that may crash or hang singly; the standard library's pool breaks as a whole.
        "pebble>=5.2,<6",
        "pyarrow>=25,<26",
        "pyyaml>=6,<7",
        "rich>=15,<16",
        "safetensors>=0.8,<0.9",
        "sentencepiece>=0.2.1,<0.3",
        "soundfile>=0.14,<0.15",
        "soxr>=1.1,<2",
        "tenacity>=9.2,<10",
    ],
    extras_require={
        # Tested with the newest of these; they move in step with fsspec.
        "s3": ["s3fs>=2026.9,<2027"],
        "gcs": ["gcsfs>=2026.9,<2027"],
        "azure": ["adlfs>=2026.8,<2027"],
        "http": ["aiohttp>=3.14,<4"],
        "dev": [
            # Servers that speak the protocols of the stores; Azurite comes from npm.
            "gcp-storage-emulator>=2026.7,<2027",
            "moto[server]>=5.2,<6",
            "hypothesis>=6.170,<7",
            "mypy>=2.4,<2.5",
            "pytest>=9.2,<10",
            "ruff>=0.17.6,<0.18",
        ],
    },
)
