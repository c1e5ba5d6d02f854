"""What is said of a password that is too easy to guess: zxcvbn's advice, in the words of the catalogue."""


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


#: By zxcvbn's own names.
ADVICE: dict[str, str] = {
    "StraightRowsOfKeysAreEasyToGuess": _("Straight rows of keys are easy to guess."),
    "ShortKeyboardPatternsAreEasyToGuess": _("Short keyboard patterns are easy to guess."),
    "RepeatsLikeAaaAreEasyToGuess": _("Repeats like “aaa” are easy to guess."),
    "RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess": _("Repeats like “abcabcabc” are only slightly harder to guess than “abc”."),
    "ThisIsATop10Password": _("This is one of the ten most used passwords."),
    "ThisIsATop100Password": _("This is one of the hundred most used passwords."),
    "ThisIsACommonPassword": _("This is a very common password."),
    "ThisIsSimilarToACommonlyUsedPassword": _("This is similar to a commonly used password."),
    "SequencesLikeAbcAreEasyToGuess": _("Sequences like “abc” or “6543” are easy to guess."),
    "RecentYearsAreEasyToGuess": _("Recent years are easy to guess."),
    "AWordByItselfIsEasyToGuess": _("A word by itself is easy to guess."),
    "DatesAreOftenEasyToGuess": _("Dates are often easy to guess."),
    "NamesAndSurnamesByThemselvesAreEasyToGuess": _("Names by themselves are easy to guess."),
    "CommonNamesAndSurnamesAreEasyToGuess": _("Common names are easy to guess."),
    "UseAFewWordsAvoidCommonPhrases": _("Use a few words, and avoid common phrases."),
    "NoNeedForSymbolsDigitsOrUppercaseLetters": _("Symbols, digits and capitals are not needed: length is."),
    "AddAnotherWordOrTwo": _("Add another word or two; uncommon words are better."),
    "CapitalizationDoesntHelpVeryMuch": _("Capital letters do not help much."),
    "AllUppercaseIsAlmostAsEasyToGuessAsAllLowercase": _("All capitals are almost as easy to guess as all small letters."),
    "ReversedWordsArentMuchHarderToGuess": _("Reversed words are not much harder to guess."),
    "PredictableSubstitutionsDontHelpVeryMuch": _("Predictable substitutions such as “@” for “a” do not help much."),
    "UseALongerKeyboardPatternWithMoreTurns": _("Use a longer keyboard pattern with more turns."),
    "AvoidRepeatedWordsAndCharacters": _("Avoid repeated words and characters."),
    "AvoidSequences": _("Avoid sequences."),
    "AvoidRecentYears": _("Avoid recent years."),
    "AvoidYearsThatAreAssociatedWithYou": _("Avoid years that have to do with you."),
    "AvoidDatesAndYearsThatAreAssociatedWithYou": _("Avoid dates and years that have to do with you."),
    "Weak": _("Choose something longer and less usual."),
}
