"""The few words of a page that no author writes, by language; and what languages call themselves."""

from __future__ import annotations

_WORDS = {
    "en": ("Skip to content", "Main", "You are here", "Languages", "In this section", "Most popular"),
    "de": ("Zum Inhalt springen", "Hauptmenü", "Sie sind hier", "Sprachen", "In diesem Bereich", "Am beliebtesten"),
    "fr": ("Aller au contenu", "Menu principal", "Vous êtes ici", "Langues", "Dans cette rubrique", "Le plus choisi"),
    "es": ("Saltar al contenido", "Menú principal", "Está aquí", "Idiomas", "En esta sección", "El más elegido"),
    "it": ("Vai al contenuto", "Menu principale", "Sei qui", "Lingue", "In questa sezione", "Il più scelto"),
    "nl": ("Naar de inhoud", "Hoofdmenu", "U bent hier", "Talen", "In deze rubriek", "Meest gekozen"),
    "pl": ("Przejdź do treści", "Menu główne", "Jesteś tutaj", "Języki", "W tym dziale", "Najczęściej wybierany"),
    "pt": ("Ir para o conteúdo", "Menu principal", "Está aqui", "Idiomas", "Nesta secção", "O mais escolhido"),
}
_NAMES = ("skip", "main_navigation", "trail", "languages", "in_this_section", "highlighted")

_LANGUAGES = {
    "ar": "العربية",
    "cs": "Čeština",
    "da": "Dansk",
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fi": "Suomi",
    "fr": "Français",
    "he": "עברית",
    "it": "Italiano",
    "ja": "日本語",
    "nl": "Nederlands",
    "pl": "Polski",
    "pt": "Português",
    "sv": "Svenska",
    "tr": "Türkçe",
    "uk": "Українська",
    "zh": "中文",
}
_RIGHT_TO_LEFT = ("ar", "fa", "he", "ur")


def of(language: str) -> dict[str, str]:
    """The words in this language, or in English where we do not have them."""
    return dict(zip(_NAMES, _WORDS.get(language[:2], _WORDS["en"]), strict=True))


def language_of_words(language: str) -> str:
    """The language in which `of` answers."""
    return language if language[:2] in _WORDS else "en"


def name(language: str) -> str:
    """What a language calls itself, such as `Deutsch (CH)`; its code where we do not know."""
    plain = _LANGUAGES.get(language[:2], language[:2])
    return f"{plain} ({language[3:]})" if language[3:] else plain


def direction(language: str) -> str:
    return "rtl" if language[:2] in _RIGHT_TO_LEFT else "ltr"
