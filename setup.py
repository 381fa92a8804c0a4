"""Build the package from the present source alone; everything else is in `pyproject.toml`."""

import shutil

from setuptools import setup
from setuptools.command.build import build


class FreshBuild(build):
    """setuptools adds to `build/lib`, so a module that was moved since the last build would be installed as well."""

    def run(self) -> None:
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


setup(cmdclass={"build": FreshBuild})
