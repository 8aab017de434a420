package Toxiproxy;
# What lies between a program and a server, and misbehaves as told: the peer toxiproxy.
#
#   my $proxy = Toxiproxy->start('127.0.0.1:9000');     listens on a port of its own, or where it is told
#   $proxy->address; $proxy->port;
#   $proxy->toxic(latency => { latency => 100 }, toxicity => 0.5); $proxy->heal;
use strict;
use warnings;
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use JSON::PP;
use Varved;

my @all;

sub start {
    my ($class, $upstream, $listen) = @_;
    my $self = bless { dir => tempdir('toxiproxy-XXXXXX', TMPDIR => 1) }, $class;
    push @all, $self;
    my ($api, $code) = run(undef, peer('toxiproxy/bin/start'), $self->{dir});
    $code == 0 or die "toxiproxy does not start\n";
    chomp($self->{api} = $api);
    my $made = $self->call('/proxies', { name => 'it', listen => $listen // '127.0.0.1:0',
        upstream => $upstream, enabled => JSON::PP::true });
    $self->{address} = $made->{listen};
    return $self;
}

sub address { return $_[0]{address} }
sub port { return $_[0]{address} =~ /:(\d+)$/ ? $1 : die "no port\n" }

sub call {
    my ($self, $path, $what) = @_;
    my $answer = HTTP::Tiny->new->post("$self->{api}$path",
        { $what ? (content => JSON::PP::encode_json($what)) : () });
    $answer->{success} or die "toxiproxy: $path: $answer->{status} $answer->{content}\n";
    return $answer->{content} ? JSON::PP::decode_json($answer->{content}) : {};
}

# On what comes back, unless stream => 'upstream'; on all connections, unless toxicity is less than 1.
sub toxic {
    my ($self, $type, $attributes, %more) = @_;
    $self->call('/proxies/it/toxics', { type => $type, attributes => $attributes, toxicity => 1,
        name => $type . ($more{stream} // ''), %more });
}

sub heal { $_[0]->call('/reset') }

END {
    my $code = $?;
    for my $self (@all) {
        system(peer('toxiproxy/bin/stop'), $self->{dir});
        remove_tree($self->{dir});
    }
    $? = $code;
}

1;
