"""Names of the registries in help, looked up only when that help is asked for: they load numpy."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class NamingCommand(TyperCommand):
    """A command whose help texts may hold {metrics}, {baselines} and {figures}."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, with the names of today."""
        self._fill(ctx)
        super().format_options(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Offer the options, with the names of today: some shells show what each is."""
        self._fill(ctx)
        return super().shell_complete(ctx, incomplete)

    def _fill(self, ctx: Any) -> None:
        names = _names()
        for param in self.get_params(ctx):
            if text := getattr(param, "help", None):
                param.help = text.format_map(names)  # type: ignore[attr-defined]


def _names() -> dict[str, str]:
    from cellam.evaluation.baselines import BASELINES
    from cellam.evaluation.metrics import METRICS
    from cellam.flags import as_flags
    from cellam.workflows.plot_kinds import PICTURES

    return {
        "metrics": ", ".join(METRICS),
        "baselines": ", ".join(BASELINES),
        "figures": as_flags(
            "; ".join(f"{name}: {of.description}" for name, of in PICTURES.items())
        ),
    }
