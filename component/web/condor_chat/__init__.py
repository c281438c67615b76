"""The API of condor_chat, over chat: {condor_chat}/profiles, {condor_chat}/rooms, ..."""
